-- One budget per provider account: GCRA on this server's clock, one step per call.
--
-- KEYS[1] hash of the account:
--   last     instant of the newest slot granted. Not a "theoretical arrival time": the gap is
--            worked out at each call, so that a changed rate takes effect at once
--   factor   share of the pace in force at `changed`; grows back to 1 from there
--   changed  see factor; lies ahead of now while the account is frozen
--   frozen   no slot before this instant
--   limit    requests a second the provider announced; 0: lifted
--   rate     granted requests a second, smoothed, for display
-- KEYS[2] sorted set of the workers, by the instant of their newest reservation
-- ARGV: op, worker, limit to assume where none is stored,
--       age of the caller's newest slot (empty: it has none), rejoining (0 no, 1 after losing
--       touch, 2 after pacing itself meanwhile), what is left of a freeze only the caller knows,
--       then what the op needs.
-- Instants and spans are whole microseconds; instants are of this server's clock.

local PACE = 0.9                   -- L + 1 slots in a row span 1.111 s, whatever the limit L
local LIVE = 60 * 1000000          -- a worker counts as live this long after reserving
local GRACE = 500000               -- slots granted before the state was lost lie this far ahead
local FURTHEST = 5 * 1000000       -- no slot is granted further ahead; later: the clock went back
local LONGEST_FREEZE = 300 * 1000000
local START, FLOOR = 0.5, 0.1      -- factor after losing the state; lowest factor
local RECOVERY = 1 / 6             -- factor regained per second
local SMOOTHING = 5                -- seconds

local op, worker, assumed = ARGV[1], ARGV[2], tonumber(ARGV[3])
local own_age, rejoining, own_freeze = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local stored = redis.call('HMGET', KEYS[1], 'last', 'factor', 'changed', 'frozen', 'limit', 'rate')
local last, factor, changed = tonumber(stored[1]), tonumber(stored[2]), tonumber(stored[3])
local frozen, limit, rate = tonumber(stored[4]) or 0, tonumber(stored[5]), tonumber(stored[6]) or 0
limit = limit or assumed

local own = own_age and math.floor(now - own_age) or 0
if not (last and factor and changed) then
  factor, changed = START, now
  last = own_age and now + GRACE or 0
elseif last > now + FURTHEST then
  last = now
end
if rejoining > 0 then last = math.max(last, own) end
if frozen > now + LONGEST_FREEZE then frozen = now end
if changed > now + LONGEST_FREEZE then changed = now end
if own_freeze > 0 then frozen = math.max(frozen, now + own_freeze) end

local current = math.min(1, factor + math.max(0, now - changed) / 1000000 * RECOVERY)
if rejoining == 2 and current > START then
  -- Others may still be pacing themselves; their shares and half of ours stay below the limit.
  current, factor, changed = START, START, now
end

local granted, wait, slot, previous = 0, 0, 0, last
if op == 'reserve' then
  local longest_wait, lead = tonumber(ARGV[7]), tonumber(ARGV[8])
  slot = math.max(now, frozen)
  if limit > 0 then
    local gap = 1000000 / (PACE * limit * current)
    slot = math.max(slot, now + lead, math.ceil(last + gap))
  end
  wait = slot - now
  if wait <= longest_wait then
    granted = 1
    rate = rate * math.exp(math.min(0, last - slot) / 1000000 / SMOOTHING) + 1 / SMOOTHING
    last = slot
  else
    wait = wait - longest_wait
  end
  redis.call('ZADD', KEYS[2], string.format('%.0f', now), worker)
elseif op == 'give_back' then
  if last == tonumber(ARGV[7]) then
    granted, last = 1, tonumber(ARGV[8])
  end
elseif op == 'freeze' then
  -- Answers to calls made before a freeze come in during it: they tell nothing new.
  if now >= frozen then factor = math.max(FLOOR, current / 2) end
  frozen = math.max(frozen, now + tonumber(ARGV[7]))
  current, changed = factor, frozen
elseif op == 'observe' then
  limit = tonumber(ARGV[7])
  redis.call('HSET', KEYS[1], 'limit', ARGV[7])
end

if op ~= 'peek' then
  redis.call('HSET', KEYS[1],
    'last', string.format('%.0f', last), 'factor', string.format('%.6f', factor),
    'changed', string.format('%.0f', changed), 'frozen', string.format('%.0f', frozen),
    'rate', string.format('%.6f', rate))
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - LIVE))
rate = rate * math.exp(math.min(0, last - now) / 1000000 / SMOOTHING)
return {
  granted, math.ceil(wait), string.format('%.0f', slot), string.format('%.0f', previous),
  tostring(limit), tostring(current), redis.call('ZCARD', KEYS[2]),
  math.max(0, frozen - now), math.ceil(math.max(0, last - now)), string.format('%.3f', rate),
  string.format('%.0f', now),
}
