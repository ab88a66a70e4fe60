-- One bucket per caller, on the server's clock (GCRA).
-- KEYS[1] the bucket; ARGV: microseconds per request, requests that may come at once.
-- Answers: granted (0 or 1), requests left, microseconds to wait, microseconds until full again.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = tonumber(redis.call('GET', KEYS[1]) or 0)
-- Never emptier than empty: what was counted under stricter numbers must not outlive them.
local full = math.min(math.max(kept, now), now + burst * interval)
local due = full + interval
local wait = due - burst * interval - now
if wait > 0 then
  if kept > full then
    redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1000)
  end
  return {0, 0, math.ceil(wait), math.ceil(full - now)}
end
redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000) + 1000)
return {1, math.floor((now + burst * interval - due) / interval), 0, math.ceil(due - now)}
