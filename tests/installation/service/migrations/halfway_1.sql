CREATE TABLE IF NOT EXISTS tess_system.feature_flags (
    tenant_id integer NOT NULL REFERENCES tess_system.tenants (id),
    name text NOT NULL,
    enabled boolean NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
ALTER TABLE tess_system.users ADD COLUMN IF NOT EXISTS email_verified boolean NOT NULL DEFAULT false;
