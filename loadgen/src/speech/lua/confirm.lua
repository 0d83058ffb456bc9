-- Confirms an order.
-- KEYS: 1 orders (a stream), 2 what became of them     ARGV: 1 order
local state = redis.call('HGET', KEYS[2], ARGV[1])
if state then return {'already_' .. state} end
local id = ARGV[1] .. '-0'
if #redis.call('XRANGE', KEYS[1], id, id) == 0 then return {'unknown_order'} end
redis.call('HSET', KEYS[2], ARGV[1], 'confirmed')
return {'confirmed', tonumber(ARGV[1])}
