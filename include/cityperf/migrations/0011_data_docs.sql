-- The page of a suite asks for its results of the last nights.
create index on ops.check_result (suite, night);
