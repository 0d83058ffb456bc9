-- The hot row: an item's free units are one number, and every purchase of it changes that row.
-- Locks are taken in one order, a buyer's row before the item's, and the item's as late as can be:
-- it is held until the commit is on disk. Order ids are drawn under it, so they count up in the
-- order of decisions. Outcomes are numbers: 1 held, 2 confirmed, 3 released, 39 limit_reached,
-- 40 sold_out, 48 unknown_order, 51 already_confirmed, 52 already_released.

CREATE TABLE item (
    item int PRIMARY KEY,
    free bigint NOT NULL CHECK (free >= 0)
) WITH (fillfactor = 10);
INSERT INTO item SELECT number, :stock FROM generate_series(0, :items - 1) AS number;

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
    units int NOT NULL,
    state smallint NOT NULL DEFAULT 1
) WITH (fillfactor = 90);

CREATE FUNCTION buy(
    the_key uuid, the_buyer text, the_item int, wanted int, most int,
    OUT outcome smallint, OUT given bigint, OUT again boolean
) LANGUAGE plpgsql AS $$
DECLARE
    enough boolean;
BEGIN
    again := false;
    SELECT id INTO given FROM orders WHERE key = the_key;
    IF FOUND THEN
        outcome := 1;
        again := true;
        RETURN;
    END IF;

    -- Seen without a lock: a sold-out item costs no write. The buyer's limit comes first.
    SELECT free >= wanted INTO enough FROM item WHERE item = the_item;
    IF NOT enough THEN
        PERFORM FROM bought
            WHERE item = the_item AND buyer = the_buyer AND units + wanted > most;
        outcome := CASE WHEN FOUND OR wanted > most THEN 39 ELSE 40 END;
    ELSIF wanted > most THEN
        outcome := 39;
    ELSE
        INSERT INTO bought AS b VALUES (the_item, the_buyer, wanted)
            ON CONFLICT (item, buyer) DO UPDATE SET units = b.units + excluded.units
            WHERE b.units + excluded.units <= most;
        IF NOT FOUND THEN
            outcome := 39;
        ELSE
            UPDATE item SET free = free - wanted WHERE item = the_item AND free >= wanted;
            IF FOUND THEN
                INSERT INTO orders
                    VALUES (nextval('order_ids'), the_key, the_item, the_buyer, wanted)
                    ON CONFLICT (key) DO NOTHING RETURNING id INTO given;
                IF FOUND THEN
                    outcome := 1;
                    RETURN;
                END IF;
                UPDATE item SET free = free + wanted WHERE item = the_item;
            END IF;
            -- Sold out, or the key was taken, since we looked.
            UPDATE bought SET units = units - wanted WHERE item = the_item AND buyer = the_buyer;
            outcome := 40;
        END IF;
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
        RETURNING item, buyer, units INTO gone;
    IF FOUND THEN
        UPDATE bought SET units = units - gone.units
            WHERE item = gone.item AND buyer = gone.buyer;
        UPDATE item SET free = free + gone.units WHERE item = gone.item;
        outcome := 3;
    ELSE
        SELECT 49 + state INTO outcome FROM orders WHERE id = the_order;
        outcome := coalesce(outcome, 48);
    END IF;
END $$;
