-- A row a unit: purchases take different rows and pass by those that others are just taking (SKIP
-- LOCKED), so nobody waits for anybody's commit, and commits share syncs. Order ids come from a
-- sequence. Everybody begins to look at a row of their own: at the front of the free ones, all would
-- step over the same locked rows, and over entries of taken ones that the index still has. Who
-- finds too few from there looks at all of them. Outcomes are numbers, as in row.sql.

CREATE TABLE unit (
    id bigint PRIMARY KEY,
    item int NOT NULL,
    taken boolean NOT NULL DEFAULT false
) WITH (fillfactor = 90);
INSERT INTO unit SELECT item * :stock::bigint + number, item
    FROM generate_series(0, :items - 1) AS item, generate_series(1, :stock) AS number;
CREATE INDEX free_units ON unit (item, id) WHERE NOT taken;

CREATE TABLE bought (
    item int,
    buyer text COLLATE "C",
    units int NOT NULL,
    PRIMARY KEY (item, buyer)
) WITH (fillfactor = 90);

CREATE SEQUENCE order_ids;
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    key uuid NOT NULL UNIQUE,
    item int NOT NULL,
    buyer text COLLATE "C" NOT NULL,
    unit_ids bigint[] NOT NULL,
    state smallint NOT NULL DEFAULT 1
) WITH (fillfactor = 90);

CREATE FUNCTION buy(
    the_key uuid, the_buyer text, the_item int, wanted int, most int,
    OUT outcome smallint, OUT given bigint, OUT again boolean
) LANGUAGE plpgsql AS $$
DECLARE
    found_ids bigint[];
    begin_at bigint := the_item * :stock::bigint + 1 + floor(random() * :stock)::bigint;
BEGIN
    again := false;
    SELECT id INTO given FROM orders WHERE key = the_key;
    IF FOUND THEN
        outcome := 1;
        again := true;
        RETURN;
    END IF;

    -- The buyer's row comes before the units: it makes the same key wait for itself.
    IF wanted <= most THEN
        INSERT INTO bought AS b VALUES (the_item, the_buyer, wanted)
            ON CONFLICT (item, buyer) DO UPDATE SET units = b.units + excluded.units
            WHERE b.units + excluded.units <= most;
    END IF;
    IF wanted > most OR NOT FOUND THEN
        outcome := 39;
    ELSE
        SELECT array_agg(id) INTO found_ids FROM (
            SELECT id FROM unit WHERE item = the_item AND NOT taken AND id >= begin_at
                ORDER BY id LIMIT wanted FOR UPDATE SKIP LOCKED
        ) AS next;
        IF coalesce(cardinality(found_ids), 0) < wanted THEN
            SELECT array_agg(id) INTO found_ids FROM (
                SELECT id FROM unit WHERE item = the_item AND NOT taken
                    ORDER BY id LIMIT wanted FOR UPDATE SKIP LOCKED
            ) AS next;
        END IF;
        IF cardinality(found_ids) = wanted THEN
            INSERT INTO orders
                VALUES (nextval('order_ids'), the_key, the_item, the_buyer, found_ids)
                ON CONFLICT (key) DO NOTHING RETURNING id INTO given;
            IF FOUND THEN
                UPDATE unit SET taken = true WHERE id = ANY (found_ids);
                outcome := 1;
                RETURN;
            END IF;
        END IF;
        UPDATE bought SET units = units - wanted WHERE item = the_item AND buyer = the_buyer;
        outcome := 40;
    END IF;

    -- The same key may have come in between, on another connection.
    SELECT id INTO given FROM orders WHERE key = the_key;
    IF FOUND THEN
        outcome := 1;
        again := true;
    ELSE
        given := 0;
    END IF;
END $$;

CREATE FUNCTION release(
    the_order bigint, OUT outcome smallint, OUT given bigint, OUT again boolean
) LANGUAGE plpgsql AS $$
DECLARE
    gone record;
BEGIN
    again := false;
    given := the_order;
    UPDATE orders SET state = 3 WHERE id = the_order AND state = 1
        RETURNING item, buyer, unit_ids INTO gone;
    IF FOUND THEN
        UPDATE unit SET taken = false WHERE id = ANY (gone.unit_ids);
        UPDATE bought SET units = units - cardinality(gone.unit_ids)
            WHERE item = gone.item AND buyer = gone.buyer;
        outcome := 3;
    ELSE
        SELECT 49 + state INTO outcome FROM orders WHERE id = the_order;
        outcome := coalesce(outcome, 48);
    END IF;
END $$;
