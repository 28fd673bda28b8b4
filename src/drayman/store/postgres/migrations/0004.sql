-- compatible with: 1
-- Numbers of claims begin with the time. A crash or a failover loses the claims of the last moment,
-- and with them the state of a sequence: it would give their numbers again, while servers still make
-- the attempts of the lost claims, and the result of one task would settle another.
ALTER TABLE claim ALTER number DROP IDENTITY;
CREATE SEQUENCE claim_number MINVALUE 0 MAXVALUE 1023 CYCLE; -- tells those of a microsecond apart
ALTER TABLE claim ALTER number SET DEFAULT
  (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1024 + nextval('claim_number');
