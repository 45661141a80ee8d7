#!/usr/bin/env bash
# Makes the three database roles and the database, once, when the postgres image starts on an empty volume.
# The passwords come from the environment and stand in no argument.
set -euo pipefail

psql --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD
CREATE ROLE skillport_across NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOLOGIN;
CREATE ROLE skillport_owner NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB LOGIN INHERIT PASSWORD :'owner_password';
CREATE ROLE skillport_app NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB LOGIN NOINHERIT PASSWORD :'app_password';
GRANT skillport_across TO skillport_owner, skillport_app;
ALTER ROLE skillport_app SET statement_timeout = '5s';
ALTER ROLE skillport_app SET lock_timeout = '4s';
ALTER ROLE skillport_app SET idle_in_transaction_session_timeout = '60s';
CREATE DATABASE skillport OWNER skillport_owner ENCODING 'UTF8' TEMPLATE template0;
SQL
