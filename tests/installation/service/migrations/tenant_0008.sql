ALTER TABLE measures ADD COLUMN format text;
UPDATE measures SET format = CASE WHEN id % 3 = 0 THEN 'percent' ELSE 'number' END;
ALTER TABLE measures ALTER COLUMN format SET NOT NULL;
ALTER TABLE models DROP COLUMN owner_note;

CREATE TABLE dimensions (
    id serial PRIMARY KEY,
    model_id integer NOT NULL REFERENCES models (id),
    name text NOT NULL
);
INSERT INTO dimensions (model_id, name) SELECT id, 'time of ' || name FROM models ORDER BY id;
