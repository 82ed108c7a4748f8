-- Everything that is fixed here is fixed so that two installations are equal:
-- no clock, no randomness.
CREATE TABLE tenants (
    id serial PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    title text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL
);

INSERT INTO tenants (slug, title, active, created_at) VALUES
    ('acme', 'Acme Corporation', true, '2025-01-10 08:00+00'),
    ('globex-eu', 'Globex "Europe" GmbH', true, '2025-02-11 09:30+00'),
    ('initech', E'Initech\tand Söhne', false, '2025-03-12 10:45+00');

CREATE TABLE users (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants (id),
    email text NOT NULL,
    full_name text NOT NULL,
    password_hash bytea NOT NULL,
    preferences jsonb NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, email)
);

INSERT INTO users (tenant_id, email, full_name, password_hash, preferences)
SELECT 1 + n % 3, 'user' || n || '@example.org', 'User ' || n,
       decode(md5(n::text), 'hex'), jsonb_build_object('page_size', 10 + n % 5)
FROM generate_series(1, 120) AS n;

CREATE INDEX users_by_name ON users (lower(full_name));

CREATE TABLE builds (
    id bigserial PRIMARY KEY,
    slug text NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    queued_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO builds (slug, state, queued_at)
SELECT 'acme', 'done', timestamptz '2025-06-01 00:00+00' + n * interval '1 hour'
FROM generate_series(1, 80) AS n;

CREATE VIEW active_users AS
SELECT u.id, u.email, t.slug FROM users u JOIN tenants t ON t.id = u.tenant_id WHERE t.active;

-- What belongs to the database and not to a schema: a dump of the schemas loses it.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tessallite_reporting') THEN
        CREATE ROLE tessallite_reporting NOLOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO tessallite_reporting', current_database());
    EXECUTE format('COMMENT ON DATABASE %I IS %L', current_database(), 'Tessallite''s metadata');
    EXECUTE format('ALTER DATABASE %I SET default_statistics_target TO 200', current_database());
END $$;
GRANT USAGE ON SCHEMA tess_system TO tessallite_reporting;
GRANT SELECT ON users TO tessallite_reporting;
