-- A hold becomes a purchase: the same wherever the units are kept. Outcomes as in row.sql.

CREATE FUNCTION confirm(
    the_order bigint, OUT outcome smallint, OUT given bigint, OUT again boolean
) LANGUAGE plpgsql AS $$
BEGIN
    again := false;
    given := the_order;
    UPDATE orders SET state = 2 WHERE id = the_order AND state = 1;
    IF FOUND THEN
        outcome := 2;
    ELSE
        SELECT 49 + state INTO outcome FROM orders WHERE id = the_order;
        outcome := coalesce(outcome, 48);
    END IF;
END $$;
