DO $$
BEGIN
    IF EXISTS (SELECT FROM information_schema.columns
               WHERE table_schema = 'tess_system' AND table_name = 'tenants' AND column_name = 'title') THEN
        ALTER TABLE tess_system.tenants RENAME COLUMN title TO display_name;
    END IF;
END $$;
