-- Gives an order's units back.
-- KEYS: 1 orders (a stream), 2 what became of them     ARGV: 1 order, 2 prefix of an item's keys
local state = redis.call('HGET', KEYS[2], ARGV[1])
if state then return {'already_' .. state} end
local id = ARGV[1] .. '-0'
local found = redis.call('XRANGE', KEYS[1], id, id)
if #found == 0 then return {'unknown_order'} end
-- Field names are at the odd places: item, buyer, units.
local order = found[1][2]
redis.call('HSET', KEYS[2], ARGV[1], 'released')
redis.call('INCRBY', ARGV[2] .. order[2] .. ':free', order[6])
redis.call('HINCRBY', ARGV[2] .. order[2] .. ':bought', order[4], -order[6])
return {'released', tonumber(ARGV[1])}
