-- What all workers together may have at one provider account: requests in flight, their distance,
-- and their number in any minute. On this server's clock, one step per call.
--
-- KEYS[1] hash of the account:
--   born     when this state began; missing: nothing is known of the last minute, see `begin`
--   last     instant of the newest turn granted
--   frozen   no turn before this instant
--   <number> turns granted in that bucket of time
-- KEYS[2] hash of the workers: "seats:wants:seen", for as long as they live
-- ARGV: op, worker, seats in all, microseconds between two turns (0: any), turns in any minute
--       (0: any), then what the op needs:
--   take    seats wanted in all, seats in use, seats needed at least, turns wanted, longest wait
--   begin   pairs of age and number: turns that were taken before this state began
--   freeze  for how long
--   leave   nothing
-- A request may leave LATE after its turn, and ways to the provider differ in length: a turn counts
-- for SPAN after the end of its bucket, so that no minute AT THE PROVIDER holds one too many. A
-- tenth of everything is never granted here: workers that cannot reach this server live on it.
-- Instants and spans are whole microseconds.

local BUCKET = 250000
local SPAN = 61000000              -- a minute, how late a turn may leave, and what ways differ by
local LIVE = 6 * 1000000           -- a worker that was not heard of for so long has lost its seats
local KEPT = 0.9                   -- the share that is granted here
local LONGEST_FREEZE = 300 * 1000000
local FURTHEST = 65 * 1000000      -- no turn lies further ahead; later: the clock went back

local op, worker = ARGV[1], ARGV[2]
local in_flight, apart, per_minute = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function whole(number) return string.format('%.0f', number) end

-- --- The turns -----------------------------------------------------------------------------
local known = redis.call('HMGET', KEYS[1], 'born', 'last', 'frozen')
local born, last, frozen = known[1], tonumber(known[2]) or 0, tonumber(known[3]) or 0
if last > now + FURTHEST then last = now end
if frozen > now + LONGEST_FREEZE then frozen = now end

local function buckets()
  local found, gone = {}, {}
  local stored = redis.call('HGETALL', KEYS[1])
  for place = 1, #stored, 2 do
    local number = tonumber(stored[place])
    if number then
      local leaves_at = (number + 1) * BUCKET + SPAN
      if leaves_at <= now or number * BUCKET > now + FURTHEST then
        gone[#gone + 1] = stored[place]
      else
        found[#found + 1] = { leaves_at, tonumber(stored[place + 1]) }
      end
    end
  end
  if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
  table.sort(found, function(one, other) return one[1] < other[1] end)
  return found
end

-- The first instant from `earliest` on at which `turns` more fit into the minute.
local function fitting(turns, earliest)
  local budget = math.max(1, math.floor(per_minute * KEPT))
  local counted = buckets()
  local used = 0
  for _, bucket in ipairs(counted) do used = used + bucket[2] end
  for _, bucket in ipairs(counted) do
    if used + turns <= budget and earliest < bucket[1] then break end
    used = used - bucket[2]
    earliest = math.max(earliest, bucket[1])
  end
  return earliest
end

local function count(instant, turns)
  redis.call('HINCRBY', KEYS[1], whole(math.floor(instant / BUCKET)), turns)
end

-- --- The seats -----------------------------------------------------------------------------
local held, wanting, live = 0, 0, 0
local stored = redis.call('HGETALL', KEYS[2])
local mine = 0
for place = 1, #stored, 2 do
  local name = stored[place]
  local seats, wants, seen = string.match(stored[place + 1], '^(%d+):(%d+):(%d+)$')
  if math.abs(now - tonumber(seen)) > LIVE then
    redis.call('HDEL', KEYS[2], name)
  elseif name == worker then
    mine = tonumber(seats)
  else
    held, live = held + tonumber(seats), live + 1
    if tonumber(wants) > 0 then wanting = wanting + 1 end
  end
end
-- One seat for each worker that may lose touch with this server, a tenth of all at most.
local in_all = in_flight - math.min(live, math.floor(in_flight / 10))

-- --- The steps -----------------------------------------------------------------------------
local granted, first, wait = 0, 0, 0
if op == 'begin' then
  if not born then
    for place = 6, #ARGV, 2 do count(now - tonumber(ARGV[place]), tonumber(ARGV[place + 1])) end
    redis.call('HSET', KEYS[1], 'born', whole(now), 'last', whole(now))
    born = now
  end
elseif op == 'freeze' then
  frozen = math.max(frozen, now + math.min(LONGEST_FREEZE, tonumber(ARGV[6])))
  redis.call('HSET', KEYS[1], 'frozen', whole(frozen))
elseif op == 'leave' then
  redis.call('HDEL', KEYS[2], worker)
  mine = 0
elseif born then
  local wants, used, least = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
  local turns, longest_wait = tonumber(ARGV[9]), tonumber(ARGV[10])
  local share = math.max(least, math.floor(in_all / (wanting + 1)))
  mine = math.max(0, math.min(wants, share, in_all - held))
  if mine < least then mine = 0 end
  -- Who has more than its share now uses it up: what is in use counts until then.
  redis.call('HSET', KEYS[2], worker, math.max(mine, used) .. ':' .. wants .. ':' .. whole(now))
  if turns > 0 and mine - used >= turns then
    first = math.max(now, frozen)
    if apart > 0 then first = math.max(first, last + apart) end
    if per_minute > 0 then
      turns = math.min(turns, math.max(1, math.floor(per_minute * KEPT)))
      first = fitting(turns, first)
    end
    wait = first - now
    if wait <= longest_wait then
      granted = turns
      last = first + (turns - 1) * apart
      if per_minute > 0 then
        for turn = 0, turns - 1 do count(first + turn * apart, 1) end
      end
      redis.call('HSET', KEYS[1], 'last', whole(last))
    end
  end
end
return {
  born and 1 or 0, mine, granted, whole(first), math.ceil(math.max(0, wait)), whole(now),
  live + 1, math.ceil(math.max(0, frozen - now)), held,
}
