ALTER TABLE tenants RENAME COLUMN title TO display_name;
ALTER TABLE tenants ADD COLUMN plan text;
UPDATE tenants SET plan = CASE WHEN active THEN 'business' ELSE 'frozen' END;
ALTER TABLE tenants ALTER COLUMN plan SET NOT NULL;

ALTER TABLE users ADD COLUMN email_verified boolean NOT NULL DEFAULT false;
UPDATE users SET email_verified = true, full_name = upper(full_name) WHERE id % 2 = 0;

CREATE TABLE feature_flags (
    tenant_id integer NOT NULL REFERENCES tenants (id),
    name text NOT NULL,
    enabled boolean NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
INSERT INTO feature_flags SELECT id, 'semantic-cache', active FROM tenants;
