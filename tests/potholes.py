"""A data set that is not the project's: what tests add to it."""

CONTRACT = """
dataset: potholes
title: Potholes repaired
description: Potholes that crews repaired, by day and ward.
owner: {division: Transportation Services, steward: Road Operations}
licence: OGL-Toronto
privacy: {class: public}
tier: 3
extract:
  connector: drop_folder
  folder: potholes
  match: '(?i)^potholes.*csv$'
  read: {format: csv}
schedule: {refresh: monthly, warn_after: 40 days, fail_after: 90 days}
keys: [day, ward]
columns:
  - {name: day, header: [Day], type: date, required: true}
  - {name: ward, header: [Ward], type: text, required: true}
  - {name: repaired, header: [Repaired], type: integer}
drift: {new_column: warn, missing_column: quarantine_file, type_error: quarantine_row}
"""
