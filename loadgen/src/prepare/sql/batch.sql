-- Many purchases in one call, one commit and one sync; on the tables of row.sql. While all of a
-- batch can be given, it is decided by sets; else its purchases are decided one by one. Locks are
-- taken in one order, an item's row before a buyer's: nobody else buys of the item meanwhile.

CREATE FUNCTION buy_batch(
    the_keys uuid[], the_buyers text[], the_items int[], wanted int[], most int
) RETURNS TABLE (outcome smallint, given bigint, again boolean, trouble text)
LANGUAGE plpgsql AS $$
DECLARE
    count int := cardinality(the_keys);
    outcomes smallint[];
    ids bigint[];
    repeated boolean[];
    one record;
BEGIN
    PERFORM FROM item WHERE item.item = ANY (the_items) ORDER BY item.item FOR UPDATE;

    IF (SELECT count(DISTINCT key) = count FROM unnest(the_keys) AS key)
        AND NOT EXISTS (SELECT FROM orders WHERE key = ANY (the_keys))
        AND NOT EXISTS (
            SELECT FROM unnest(the_items, wanted) AS w (item, units)
                JOIN item AS i USING (item) GROUP BY i.item, i.free HAVING sum(w.units) > i.free)
        AND NOT EXISTS (
            SELECT FROM unnest(the_items, the_buyers, wanted) AS w (item, buyer, units)
                LEFT JOIN bought AS b ON b.item = w.item AND b.buyer = w.buyer
                GROUP BY w.item, w.buyer, b.units
                HAVING sum(w.units) + coalesce(b.units, 0) > most)
    THEN
        INSERT INTO bought AS b
            SELECT w.item, w.buyer, sum(w.units)
                FROM unnest(the_items, the_buyers, wanted) AS w (item, buyer, units)
                GROUP BY w.item, w.buyer
            ON CONFLICT (item, buyer) DO UPDATE SET units = b.units + excluded.units;
        UPDATE item AS i SET free = i.free - w.units
            FROM (
                SELECT u.item, sum(u.units) AS units
                    FROM unnest(the_items, wanted) AS u (item, units) GROUP BY u.item
            ) AS w
            WHERE i.item = w.item;
        WITH made AS (
            INSERT INTO orders
                SELECT nextval('order_ids'), w.key, w.item, w.buyer, w.units
                    FROM unnest(the_keys, the_buyers, the_items, wanted)
                        AS w (key, buyer, item, units)
                RETURNING id
        )
        -- Ids were drawn in the order of the arrays.
        SELECT array_agg(id ORDER BY id) INTO ids FROM made;
        RETURN QUERY SELECT 1::smallint, id, false, NULL::text FROM unnest(ids) AS id;
        RETURN;
    END IF;

    FOR place IN 1 .. count LOOP
        SELECT * INTO one
            FROM buy(the_keys[place], the_buyers[place], the_items[place], wanted[place], most);
        outcomes[place] := one.outcome;
        ids[place] := one.given;
        repeated[place] := one.again;
    END LOOP;
    RETURN QUERY SELECT u.*, NULL::text FROM unnest(outcomes, ids, repeated) AS u;
EXCEPTION WHEN OTHERS THEN
    -- Nothing of the batch was done, and each of its purchases is told so.
    RETURN QUERY SELECT 255::smallint, 0::bigint, false, SQLERRM FROM generate_series(1, count);
END $$;

CREATE OR REPLACE FUNCTION release(
    the_order bigint, OUT outcome smallint, OUT given bigint, OUT again boolean
) LANGUAGE plpgsql AS $$
DECLARE
    gone record;
BEGIN
    again := false;
    given := the_order;
    SELECT item, buyer, units INTO gone FROM orders WHERE id = the_order;
    IF NOT FOUND THEN
        outcome := 48;
        RETURN;
    END IF;
    PERFORM FROM item WHERE item = gone.item FOR UPDATE;
    UPDATE orders SET state = 3 WHERE id = the_order AND state = 1;
    IF FOUND THEN
        UPDATE item SET free = free + gone.units WHERE item = gone.item;
        UPDATE bought SET units = units - gone.units
            WHERE item = gone.item AND buyer = gone.buyer;
        outcome := 3;
    ELSE
        SELECT 49 + state INTO outcome FROM orders WHERE id = the_order;
    END IF;
END $$;
