-- Holds units of an item for a buyer, once for a key.
-- KEYS: 1 free units, 2 units by buyer, 3 orders by key, 4 orders (a stream), 5 the last order
-- ARGV: 1 item, 2 limit, 3 buyer, 4 key, 5 units
local order = redis.call('HGET', KEYS[3], ARGV[4])
if order then return {'replayed', tonumber(order)} end
local units = tonumber(ARGV[5])
local bought = tonumber(redis.call('HGET', KEYS[2], ARGV[3]) or 0)
if bought + units > tonumber(ARGV[2]) then return {'limit_reached'} end
if tonumber(redis.call('GET', KEYS[1])) < units then return {'sold_out'} end
redis.call('DECRBY', KEYS[1], units)
redis.call('HINCRBY', KEYS[2], ARGV[3], units)
order = redis.call('INCR', KEYS[5])
redis.call('HSET', KEYS[3], ARGV[4], order)
redis.call('XADD', KEYS[4], order .. '-0', 'item', ARGV[1], 'buyer', ARGV[3], 'units', units)
return {'held', order}
