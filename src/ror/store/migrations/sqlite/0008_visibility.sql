-- The code calls these bytes (pairs of a code and its mask of profiles) the visibility of a resource and its parts.

ALTER TABLE access RENAME COLUMN shades TO visibility;
ALTER TABLE version RENAME COLUMN shades TO visibility;
