-- Those who may call, as they stand, and what was done to each. Lists are JSON arrays of texts.
CREATE TABLE client (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  profile INTEGER,
  subject TEXT,
  secret TEXT,
  regions TEXT NOT NULL,
  fields TEXT NOT NULL,
  user_profiles TEXT NOT NULL,
  roles TEXT NOT NULL,
  establishments TEXT NOT NULL,
  calls_per_minute INTEGER,
  burst INTEGER
) STRICT;

-- Never changed, never removed; AUTOINCREMENT because servers watch the greatest seq.
CREATE TABLE client_act (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  client_id TEXT NOT NULL,
  action TEXT NOT NULL,
  at INTEGER NOT NULL,
  by TEXT NOT NULL,
  reason TEXT NOT NULL,
  details TEXT NOT NULL
) STRICT;

CREATE INDEX client_act_of ON client_act (client_id, seq);
