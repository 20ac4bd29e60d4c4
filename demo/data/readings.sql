-- Meter readings: what each water meter showed at the end of a month.
CREATE TABLE readings (
  meter text NOT NULL, period text NOT NULL, previous integer NOT NULL,
  reading integer NOT NULL, PRIMARY KEY (meter, period));
INSERT INTO readings VALUES
  ('W-3318', '2026-10', 1204, 1242),
  ('W-3319', '2026-10', 8810, 9130),
  ('W-3320', '2026-10', 377, 391),
  ('W-3320', '2026-09', 360, 377);
