"""
Clients, and what was done to each.
"""

from typing import Final

KEEP: Final = """
INSERT INTO client (id, name, kind, state, profile, subject, secret, regions, fields,
  user_profiles, roles, establishments, calls_per_minute, burst)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, kind = excluded.kind, state = excluded.state,
  profile = excluded.profile, subject = excluded.subject, secret = excluded.secret,
  regions = excluded.regions, fields = excluded.fields,
  user_profiles = excluded.user_profiles, roles = excluded.roles,
  establishments = excluded.establishments,
  calls_per_minute = excluded.calls_per_minute, burst = excluded.burst
"""

ADD_ACT: Final = """
INSERT INTO client_act (client_id, action, at, by, reason, details)
VALUES (?, ?, ?, ?, ?, ?)
"""

ALL: Final = """
SELECT number, id, name, kind, state, profile, subject, secret, regions, fields,
  user_profiles, roles, establishments, calls_per_minute, burst
FROM client
ORDER BY number
"""

ACTS: Final = """
SELECT action, at, by, reason, details
FROM client_act
WHERE client_id = ?
ORDER BY seq
"""

LAST_ACT: Final = """
SELECT coalesce(max(seq), 0)
FROM client_act
"""

GET: Final = """
SELECT number, id, name, kind, state, profile, subject, secret, regions, fields,
  user_profiles, roles, establishments, calls_per_minute, burst
FROM client
WHERE id = ?
"""
