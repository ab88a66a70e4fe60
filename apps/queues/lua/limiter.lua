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
--   single, campaign, segment  "newest:turn:asked:rate" of the class: its newest slot, the instant
--            from which its share owes it one, when it last asked, its smoothed rate
--   used     "second:n:n:n", slots that lie in that second and the two before it
--   seats    seats taken by the live workers, counted from the first to the furthest
-- KEYS[2] sorted set of the workers, by the instant of their newest reservation
-- KEYS[3] hash of the workers' seats, from 0: where each sends from while this server is away
-- KEYS[4] sorted set of "class:worker" that were held, by when
-- ARGV: op, worker, limit to assume where none is stored,
--       age of the caller's newest slot (empty: it has none), rejoining (0 no, 1 after losing
--       touch, 2 after pacing itself meanwhile), what is left of a freeze only the caller knows,
--       the pace, the class of the call, then what the op needs.
-- Instants and spans are whole microseconds; instants are of this server's clock.

local LIVE = 60 * 1000000          -- a worker counts as live this long after reserving
local GRACE = 1000000              -- slots granted before the state was lost lie this far ahead
local FURTHEST = 5 * 1000000       -- no slot is granted further ahead; later: the clock went back
local LONGEST_FREEZE = 300 * 1000000
local START, FLOOR = 0.5, 0.1      -- factor after losing the state; lowest factor
local RECOVERY = 1 / 6             -- factor regained per second
local SMOOTHING = 5                -- seconds
local TURNS = 5                    -- a class that wants slots gets at least every fifth
local WANTS = 3 * 1000000          -- it wants them this long after it asked
local ABOUT = 60 * 1000000         -- single mails are about this long after one was asked for
local BEHIND = 500000              -- a single mail waits no longer than this behind bulk
local CLASSES = { 'single', 'campaign', 'segment' }

local op, worker, assumed = ARGV[1], ARGV[2], tonumber(ARGV[3])
local own_age, rejoining, own_freeze = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local pace, class = tonumber(ARGV[7]), ARGV[8]
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local stored = redis.call('HMGET', KEYS[1], 'last', 'factor', 'changed', 'frozen', 'limit', 'rate',
  'single', 'campaign', 'segment', 'used', 'seats')
local last, factor, changed = tonumber(stored[1]), tonumber(stored[2]), tonumber(stored[3])
local frozen, limit, rate = tonumber(stored[4]) or 0, tonumber(stored[5]), tonumber(stored[6]) or 0
limit = limit or assumed

local function whole(number) return string.format('%.0f', number) end

-- --- The classes ---------------------------------------------------------------------------
local of = {}
for place, name in ipairs(CLASSES) do
  local newest, turn, asked, smoothed =
    string.match(stored[6 + place] or '', '^(%d+):(%d+):(%d+):([%d.]+)$')
  of[name] = {
    newest = tonumber(newest) or 0, turn = tonumber(turn) or 0, asked = tonumber(asked) or 0,
    rate = tonumber(smoothed) or 0,
  }
end
local mine = of[class]

local changes = {}
local function set(field, value)
  changes[#changes + 1] = field
  changes[#changes + 1] = value
end

local function set_class()
  set(class, whole(mine.newest) .. ':' .. whole(math.max(0, mine.turn)) .. ':'
    .. whole(mine.asked) .. ':' .. string.format('%.6f', mine.rate))
end

local function wants(name) return math.abs(now - of[name].asked) < WANTS end

local function others_want()
  for _, name in ipairs(CLASSES) do
    if name ~= class and wants(name) then return true end
  end
  return false
end

local function decayed(value, since, at)
  return value * math.exp(math.min(0, since - at) / 1000000 / SMOOTHING)
end

-- --- How many slots lie in a second ----------------------------------------------------------
local newest_second, n0, n1, n2 = string.match(stored[10] or '', '^(%d+):(%d+):(%d+):(%d+)$')
local second = tonumber(newest_second) or 0
local counts = { tonumber(n0) or 0, tonumber(n1) or 0, tonumber(n2) or 0 }

local function count_slot(slot, change)
  local at = math.floor(slot / 1000000)
  while second < at do
    if at - second > 3 then second, counts = at, { 0, 0, 0 } break end
    second, counts = second + 1, { 0, counts[1], counts[2] }
  end
  local place = second - at + 1
  if counts[place] then counts[place] = math.max(0, counts[place] + change) end
  set('used', whole(second) .. ':' .. counts[1] .. ':' .. counts[2] .. ':' .. counts[3])
end

local function used_in_last_second()
  local at, part = math.floor(now / 1000000), now % 1000000 / 1000000
  local this, before = counts[second - at + 1] or 0, counts[second - at + 2] or 0
  return this + before * (1 - part)
end

-- --- The seats -----------------------------------------------------------------------------
local seats = tonumber(stored[11]) or 0

local function count_seats()
  seats = 0
  for _, taken in ipairs(redis.call('HVALS', KEYS[3])) do
    seats = math.max(seats, tonumber(taken) + 1)
  end
  set('seats', seats)
end

local function take_seat()
  local seat = tonumber(redis.call('HGET', KEYS[3], worker) or nil)
  if seat then return seat end
  local taken = {}
  for _, other in ipairs(redis.call('HVALS', KEYS[3])) do taken[tonumber(other)] = true end
  seat = 0
  while taken[seat] do seat = seat + 1 end
  redis.call('HSET', KEYS[3], worker, seat)
  count_seats()
  return seat
end

local gone = op == 'peek' and {} or redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. whole(now - LIVE),
  'LIMIT', 0, 1000)
if #gone > 0 then
  redis.call('ZREM', KEYS[2], unpack(gone))
  redis.call('HDEL', KEYS[3], unpack(gone))
  count_seats()
end

-- --- State that was lost, and clocks that went back ----------------------------------------
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
for _, name in ipairs(CLASSES) do
  if of[name].turn > now + 2 * FURTHEST + LONGEST_FREEZE then of[name].turn = now end
end

local current = math.min(1, factor + math.max(0, now - changed) / 1000000 * RECOVERY)
if rejoining == 2 and current > START then
  -- Others may still be pacing themselves; their shares and half of ours stay below the limit.
  current, factor, changed = START, START, now
end
local gap = limit > 0 and 1000000 / (pace * limit * current) or 0

-- How far ahead bulk may reserve when it is not its turn. While single mails are about, so far that
-- the slot behind is in their reach; two slots less where there is room for that, as a class in its
-- turn may add one. Where slots are further apart than that, bulk needs the whole reach to get any.
-- While none are about, bulk has all of it: a slow worker composes while its slot comes nearer.
local function bulk_reach(asked_for)
  if math.abs(now - of.single.asked) >= ABOUT then return math.min(asked_for, BEHIND) end
  for slots = 2, 1, -1 do
    if BEHIND - slots * gap >= BEHIND / 2 then
      return math.min(asked_for, BEHIND - slots * gap)
    end
  end
  return math.min(asked_for, BEHIND)
end

-- --- The steps -----------------------------------------------------------------------------
local granted, wait, slot, previous, seat = 0, 0, 0, last, -1
if op == 'reserve' then
  local longest_wait, lead = tonumber(ARGV[9]), tonumber(ARGV[10])
  local owed = true
  slot = math.max(now, frozen)
  if limit > 0 then
    slot = math.max(slot, now + lead, math.ceil(last + gap))
    owed = slot >= mine.turn - gap
    if class ~= 'single' then
      local overtakes = owed and others_want()
      longest_wait = overtakes and longest_wait or math.max(bulk_reach(longest_wait), lead)
    end
  end
  wait = slot - now
  local mail_wants = wants('single') or wants('campaign')
  if class == 'segment' and mail_wants and not owed then
    wait = math.max(math.ceil(gap / 2), mine.turn - now - longest_wait)
  elseif wait <= longest_wait then
    granted = 1
    rate = decayed(rate, last, slot) + 1 / SMOOTHING
    mine.rate = decayed(mine.rate, mine.newest, slot) + 1 / SMOOTHING
    -- Who comes a little late catches up; two turns are never saved up and used in a row. What was
    -- used while nobody else wanted it is not held against anybody.
    mine.turn = math.max(mine.turn, slot - 2 * gap) + TURNS * gap
    mine.turn = math.min(mine.turn, slot + (TURNS + 1) * gap)
    last, mine.newest = slot, slot
    if limit > 0 then count_slot(slot, 1) end
  else
    wait = wait - longest_wait
  end
  mine.asked = now
  set_class()
  seat = take_seat()
  redis.call('ZADD', KEYS[2], whole(now), worker)
  if granted == 1 then
    redis.call('ZREM', KEYS[4], class .. ':' .. worker)
  else
    redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', whole(now - LIVE))
    redis.call('ZADD', KEYS[4], whole(now), class .. ':' .. worker)
  end
elseif op == 'give_back' then
  if last == tonumber(ARGV[9]) then
    granted, last = 1, tonumber(ARGV[10])
    mine.turn = mine.turn - TURNS * gap
    set_class()
    if limit > 0 then count_slot(tonumber(ARGV[9]), -1) end
  end
elseif op == 'freeze' then
  -- Answers to calls made before a freeze come in during it: they tell nothing new.
  if now >= frozen then factor = math.max(FLOOR, current / 2) end
  frozen = math.max(frozen, now + tonumber(ARGV[9]))
  current, changed = factor, frozen
elseif op == 'observe' then
  limit = tonumber(ARGV[9])
  set('limit', ARGV[9])
elseif op == 'spent' then
  -- Nothing remains of the provider's second. Where we have not used it, others have: let it pass.
  if limit > 0 and limit - used_in_last_second() >= math.max(2, limit / 3) then
    granted = 1
    last = math.max(last, now + math.min(1000000, tonumber(ARGV[9])) - math.floor(gap))
  end
end

if op ~= 'peek' then
  set('last', whole(last))
  set('factor', string.format('%.6f', factor))
  set('changed', whole(changed))
  set('frozen', whole(frozen))
  set('rate', string.format('%.6f', rate))
  redis.call('HSET', KEYS[1], unpack(changes))
end
local waiting, rates = { single = 0, campaign = 0, segment = 0 }, {}
if op == 'peek' then
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], whole(now - WANTS), '+inf')) do
    local name = string.match(member, '^(%a+):')
    waiting[name] = waiting[name] + 1
  end
end
for _, name in ipairs(CLASSES) do
  rates[name] = string.format('%.3f', decayed(of[name].rate, of[name].newest, now))
end
return {
  granted, math.ceil(wait), whole(slot), whole(previous),
  tostring(limit), tostring(current), redis.call('ZCOUNT', KEYS[2], whole(now - LIVE), '+inf'),
  math.max(0, frozen - now), math.ceil(math.max(0, last - now)),
  string.format('%.3f', decayed(rate, last, now)), whole(now), seat, seats,
  rates.single, waiting.single, rates.campaign, waiting.campaign, rates.segment, waiting.segment,
}
