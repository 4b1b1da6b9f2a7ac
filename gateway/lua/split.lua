-- For requests of apps with a canary alone: which of the two releases a request goes to. `txn.split` has, with colons
-- between them, the canary's slot, its share of ten thousand, how a request may choose (h: header, c: cookie), and the
-- names of both releases.
local function wanted(txn, canary_name, live_name)
  local wants = string.lower(txn.f:req_fhdr("x-berth-release") or "")
  if wants == "canary" or wants == canary_name then return true end
  if wants == "live" or wants == live_name then return false end
  return nil
end

-- A visitor's place among ten thousand, the same for every canary: who came to it once stays there as its share grows.
local function place(txn, by_cookie)
  if not by_cookie then return txn.f:rand(10000) end
  local kept = string.match(txn.f:req_cook("berth-share") or "", "^%d%d?%d?%d?$")
  if kept ~= nil then return tonumber(kept) end
  local new = txn.f:rand(10000)
  txn:set_var("txn.place", new)
  return new
end

core.register_action("split", { "http-req" }, function(txn)
  local slot, share, pins, canary_name, live_name = table.unpack(core.tokenize(txn:get_var("txn.split"), ":"))
  local to_canary = nil
  if string.find(pins, "h", 1, true) then to_canary = wanted(txn, canary_name, live_name) end
  if to_canary == nil then to_canary = place(txn, string.find(pins, "c", 1, true)) < tonumber(share) end
  -- While none of its instances can be used the live release has all.
  if to_canary and txn.c:nbsrv(slot) > 0 then txn:set_var("txn.slot", slot) end
end, 0)
