-- What is done with requests of apps that ask for it: `gateway/features.ts` writes it into a map, slot → words. Requests of
-- other apps do not come here. An error in here lets nobody in.

-- Slot → its words, and what they were read as.
local known = {}

local function parse(words)
  local spec = {}
  for word in string.gmatch(words, "[^|]+") do
    local name, value = string.match(word, "^(%a+)=?(.*)$")
    if name == "allow" then
      spec.allow = {}
      for range in string.gmatch(value, "[^,]+") do spec.allow[#spec.allow + 1] = core.parse_addr(range) end
    elseif name == "maintenance" then
      spec.retry_after_s = assert(tonumber(value))
    elseif name == "auth" then
      spec.user, spec.salt, spec.hash = string.match(value, "^(%x+):sha256:(%x+):(%x+)$")
      assert(spec.hash)
    elseif name == "rate" then
      local requests, period_ms, by = string.match(value, "^(%d+):(%d+):(%a+)$")
      spec.rate = { step_ms = tonumber(period_ms) / tonumber(requests), period_ms = tonumber(period_ms), by = by }
    elseif name == "sticky" then
      spec.sticky = true
    else
      error("unknown word")
    end
  end
  return spec
end

local function spec_of(slot, words)
  local one = known[slot]
  if one == nil or one.words ~= words then
    one = { words = words, spec = parse(words) }
    known[slot] = one
  end
  return one.spec
end

-- The first frontend says it, whatever a client claims.
local function client_of(txn)
  local text = txn.f:req_fhdr("x-forwarded-for") or ""
  return string.match(text, "^::[fF][fF][fF][fF]:(%d+%.%d+%.%d+%.%d+)$") or text
end

local function is_allowed(ranges, client)
  local address = core.parse_addr(client)
  if address == nil then return false end
  for _, range in ipairs(ranges) do
    if core.match_addr(address, range) then return true end
  end
  return false
end

-- Buckets that fill by a request each `step_ms` and hold those of one period: what is kept of a client is when its
-- bucket would be full again. Whoever was not seen for a whole generation is forgotten: its memory is bounded.
local GENERATION = 50000
local young, young_count, old = {}, 0, {}

-- nil: it may pass; else how many ms until it may.
local function take(key, rate, now_ms)
  local full_at = math.max(young[key] or old[key] or 0, now_ms)
  local wait_ms = full_at + rate.step_ms - now_ms - rate.period_ms
  if wait_ms > 0.001 then return wait_ms end
  if young[key] == nil then
    if young_count >= GENERATION then young, young_count, old = {}, 0, young end
    young_count = young_count + 1
  end
  young[key] = full_at + rate.step_ms
  return nil
end

local function groups_of(text)
  local groups = {}
  for group in string.gmatch(text, "[^:]+") do groups[#groups + 1] = group end
  return groups
end

-- The first four groups of an address of IPv6: who has one of them has 2^64.
local function network_of(address)
  local head, tail = string.match(address, "^(.-)::(.*)$")
  local groups = groups_of(head or address)
  if head ~= nil then
    local after = groups_of(tail)
    for _ = 1, 8 - #groups - #after do groups[#groups + 1] = "0" end
    for _, group in ipairs(after) do groups[#groups + 1] = group end
  end
  return table.concat(groups, ":", 1, 4)
end

local function bucket_of(slot, client, by)
  if by == "app" then return slot end
  return slot .. " " .. (string.find(client, ":", 1, true) == nil and client or network_of(client))
end

-- All bytes, whatever the first difference is.
local function is_same(one, other)
  if #one ~= #other then return false end
  local difference = 0
  for at = 1, #one do difference = difference | (string.byte(one, at) ~ string.byte(other, at)) end
  return difference == 0
end

local function sha256(txn, text)
  return string.lower(txn.c:hex(txn.c:sha2(text, 256)))
end

local function knows_password(txn, spec)
  local given = txn.http:req_get_headers()["authorization"]
  -- Two of them are read by nobody alike.
  if given == nil or given[1] ~= nil then return false end
  local coded = string.match(given[0], "^[Bb][Aa][Ss][Ii][Cc] +([%w+/=]+)$")
  local user, password = string.match(coded ~= nil and txn.c:b64dec(coded) or "", "^([^:]+):(.*)$")
  if user == nil then return false end
  local is_user = is_same(sha256(txn, string.lower(txn.c:hex(user))), sha256(txn, spec.user))
  return is_same(sha256(txn, spec.salt .. password), spec.hash) and is_user
end

core.register_action("features", { "http-req" }, function(txn)
  local slot = txn:get_var("txn.slot")
  local spec = spec_of(slot, txn:get_var("txn.features"))
  local client = client_of(txn)
  if spec.allow ~= nil and not is_allowed(spec.allow, client) then return berth.answer(txn, "not-allowed") end
  if spec.retry_after_s ~= nil then
    return berth.answer(txn, "maintenance", { html = berth.own_page(slot, "503"), retry_after_s = spec.retry_after_s })
  end
  if spec.rate ~= nil then
    local now = core.now()
    local wait_ms = take(bucket_of(slot, client, spec.rate.by), spec.rate, now.sec * 1000 + now.usec / 1000)
    if wait_ms ~= nil then return berth.answer(txn, "rate-limited", { retry_after_s = math.ceil(wait_ms / 1000) }) end
  end
  if spec.hash ~= nil then
    if not knows_password(txn, spec) then
      return berth.answer(txn, "password", { headers = { ["www-authenticate"] = 'Basic realm="app", charset="UTF-8"' } })
    end
    -- It is for the gateway: an app would log it, or take it for its own.
    txn.http:req_del_header("authorization")
  end
  if spec.sticky then txn:set_var("txn.sticky", 1) end
  txn:set_var("txn.passed", 1)
end, 0)
