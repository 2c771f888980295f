-- The key of a held row, where it could be read: a register's row that is held is not one that was removed.
alter table quarantine.rows
add column key jsonb;                                   -- values of the contract's key columns; null for person-level data
