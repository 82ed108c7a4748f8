//! The bundled procedure for Tessallite on Google Cloud Run and Cloud SQL.
