-- One circuit breaker for all who share it, on this server's clock, one step per call.
--
-- KEYS[1] hash of the breaker; none: closed, nothing known
--   state    closed, open or probing
--   until    open: no probe before this instant
--   probe    probing: who tries; lease: its place is free from this instant on
--   since    when it was opened or closed
--   streak   openings and failed probes without a rest between; 0 after a reset
--   gen      rises with each opening and closing: older calls' answers tell nothing new
--   run      failures since the last success; ok, err: the newest of each
--   b0 … b9  "number:calls:errors" of a tenth of the window; closed only
-- ARGV: op, token, generation (-1: any), calls, errors, chance (0 to 1),
--       window, least calls, share, run, quiet, hold, longest hold, probe's lease
-- Instants and spans are whole microseconds; instants are of this server's clock.

local TENTHS = 10

local op, token, generation = ARGV[1], ARGV[2], tonumber(ARGV[3])
local new_calls, new_errors, chance = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local window, least, share = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local run_limit, quiet = tonumber(ARGV[10]), tonumber(ARGV[11])
local hold, longest, probe_lease = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local got = redis.call('HMGET', KEYS[1], 'state', 'until', 'probe', 'lease', 'since', 'streak',
  'gen', 'run', 'ok', 'err', 'b0', 'b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7', 'b8', 'b9')
local state, open_until = got[1] or 'closed', tonumber(got[2]) or 0
local probe, lease = got[3] or '', tonumber(got[4]) or 0
local since, streak, gen = tonumber(got[5]) or 0, tonumber(got[6]) or 0, tonumber(got[7]) or 0
local run, ok, err = tonumber(got[8]) or 0, tonumber(got[9]) or 0, tonumber(got[10]) or 0
-- A clock that went back must not hold anything for longer than it was meant to.
open_until, lease = math.min(open_until, now + longest), math.min(lease, now + probe_lease)

local tenth = math.floor(now * TENTHS / window)
local calls, errors, current = 0, 0, { 0, 0 }
for place = 1, TENTHS do
  local number, c, e = string.match(got[10 + place] or '', '^(%d+):(%d+):(%d+)$')
  number = tonumber(number)
  if number and number > tenth - TENTHS and number <= tenth then
    calls, errors = calls + c, errors + e
    if number == tenth then current = { tonumber(c), tonumber(e) } end
  end
end

local function write(pairs_of) redis.call('HSET', KEYS[1], unpack(pairs_of)) end
local function whole(number) return string.format('%.0f', number) end

local function turn(to)
  state, gen, since, probe, calls, errors = to, gen + 1, now, '', 0, 0
  redis.call('HDEL', KEYS[1], 'b0', 'b1', 'b2', 'b3', 'b4', 'b5', 'b6', 'b7', 'b8', 'b9')
  write({ 'state', to, 'gen', gen, 'since', whole(now), 'streak', streak, 'probe', '',
    'until', whole(open_until), 'run', run })
end

local function open()
  local rested = state == 'closed' and now - since >= window
  streak = rested and 1 or streak + 1
  local span = math.min(longest, hold * 2 ^ math.min(streak - 1, 32))
  open_until = now + math.floor(span * (1 - chance / 4))
  turn('open')
end

local admitted, change = 0, ''
if op == 'admit' then
  if state == 'closed' then
    admitted = 1
  elseif (state == 'open' and now >= open_until) or (state == 'probing' and now >= lease) then
    admitted, change, state, probe, lease = 1, 'probing', 'probing', token, now + probe_lease
    write({ 'state', state, 'probe', token, 'lease', whole(lease) })
  end
elseif op == 'record' then
  if new_errors < new_calls then ok = now end
  if new_errors > 0 then err = now end
  if state == 'closed' and (generation == gen or generation == -1) then
    run = new_errors == new_calls and run + new_errors or 0
    calls, errors = calls + new_calls, errors + new_errors
    write({ 'run', run, 'ok', whole(ok), 'err', whole(err), 'b' .. tenth % TENTHS,
      whole(tenth) .. ':' .. current[1] + new_calls .. ':' .. current[2] + new_errors })
    if (calls >= least and errors >= calls * share)
      or (run >= run_limit and now - ok >= quiet) then
      open()
      change = 'opened'
    end
  else
    write({ 'ok', whole(ok), 'err', whole(err) })
    if state == 'probing' and token == probe and token ~= '' then
      if new_errors > 0 then
        run = run + new_errors
        open()
        change = 'opened'
      else
        run = 0
        turn('closed')
        change = 'closed'
      end
    end
  end
elseif op == 'give_back' then
  if state == 'probing' and token == probe then
    state, open_until = 'open', now
    write({ 'state', state, 'probe', '', 'until', whole(now) })
  end
elseif op == 'reset' then
  if state ~= 'closed' then change = 'reset' end
  run, streak = 0, 0
  turn('closed')
end

local left = 0
if state == 'open' then left = open_until - now elseif state == 'probing' then left = lease - now end
local function age(instant) return instant > 0 and math.max(0, now - instant) or -1 end
return {
  admitted, gen, change, state, whole(math.max(0, left)), whole(age(since)), streak,
  calls, errors, run, whole(age(ok)), whole(age(err)),
}
