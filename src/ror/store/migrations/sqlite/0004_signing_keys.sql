-- The keys that sign tokens, whole: whoever can read this file can make tokens.
-- AUTOINCREMENT because servers watch the greatest seq.
CREATE TABLE signing_key (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  kid TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  jwk TEXT NOT NULL
) STRICT;
