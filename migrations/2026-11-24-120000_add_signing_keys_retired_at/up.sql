-- When a key stopped signing without a successor here: one that another issuer signed with, imported to verify only.
ALTER TABLE signing_keys ADD COLUMN retired_at timestamptz;
