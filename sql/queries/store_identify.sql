-- Which cluster this is: initdb made it up, and a standby has its primary's.
SELECT system_identifier FROM pg_control_system()
