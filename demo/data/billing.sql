-- The billing database: who is billed, at which tariff, and what was billed.
CREATE TABLE customers (
  number text PRIMARY KEY, name text NOT NULL, street text NOT NULL);
CREATE TABLE tariffs (
  name text PRIMARY KEY, base numeric(8, 2) NOT NULL,
  per_unit numeric(8, 4) NOT NULL);
CREATE TABLE invoices (
  number text PRIMARY KEY, customer text NOT NULL REFERENCES customers,
  meter text NOT NULL, period text NOT NULL, tariff text NOT NULL,
  paid_at timestamptz, receipt text);

INSERT INTO customers VALUES
  ('C-1007', 'The bakery on the square', 'Mill Street 3'),
  ('C-1008', 'The school by the river', 'River Road 12'),
  ('C-1009', 'The house on the hill', 'Hill Lane 1');
INSERT INTO tariffs VALUES
  ('household', 12.00, 1.9000), ('business', 30.00, 1.7000);
-- INV-2041 is on paper too: 12.00 + 38 cubic metres at 1.90 = 84.20.
INSERT INTO invoices VALUES
  ('INV-2041', 'C-1007', 'W-3318', '2026-10', 'household'),
  ('INV-2042', 'C-1008', 'W-3319', '2026-10', 'business'),
  ('INV-2043', 'C-1009', 'W-3320', '2026-10', 'household'),
  ('INV-2044', 'C-1009', 'W-3320', '2026-09', 'household');
