-- The queries of page links that are too long for an address, each for one client; ordered by their last use.
CREATE TABLE stored_query (
  id TEXT PRIMARY KEY,
  client TEXT NOT NULL,
  used_at INTEGER NOT NULL,
  query TEXT NOT NULL
) STRICT;

CREATE INDEX stored_query_of ON stored_query (client, used_at);
CREATE INDEX stored_query_used ON stored_query (used_at);
