DROP INDEX revocations_revision;
ALTER TABLE revocations DROP COLUMN revision;
