DROP VIEW model_sizes;
ALTER TABLE measures ADD COLUMN hidden boolean NOT NULL DEFAULT false;
UPDATE measures SET hidden = true WHERE weight IS NULL;
