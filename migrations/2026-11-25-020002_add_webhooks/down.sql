ALTER TABLE signing_keys DROP COLUMN activation_noted_at;
DROP TABLE webhook_deliveries;
DROP TABLE webhooks;
