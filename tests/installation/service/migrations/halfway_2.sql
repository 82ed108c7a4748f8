UPDATE tess_system.users SET email_verified = true, full_name = full_name || ' (migrated)' WHERE id <= 60;
