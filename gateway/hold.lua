-- Holds a request while its app has no server: asks the controller, which answers when one runs or the time is over.
-- Without a controller it looks by itself, so that what is routed already is served.
local socket = os.getenv("BERTH_HOLD_SOCKET")
local alone_s = tonumber(os.getenv("BERTH_HOLD_ALONE_MS")) / 1000
local ASK_TIMEOUT_MS = 3600 * 1000

local function ask(slot, waited_ms)
  local client = core.httpclient()
  local url = string.format("http://controller/hold?slot=%s&waitedMs=%d", slot, waited_ms)
  local answer = client:get{ url = url, dst = "unix@" .. socket, timeout = ASK_TIMEOUT_MS }
  if answer ~= nil and answer.status == 200 then return answer.body end
  return nil
end

local function seconds()
  local now = core.now()
  return now.sec + now.usec / 1000000
end

local function stopping(txn)
  local is = txn.f:stopping()
  return is == true or is == 1
end

core.register_action("hold", { "http-req" }, function(txn)
  local slot = txn.f:be_name()
  local began = seconds()
  while true do
    local waited = seconds() - began
    local answer = ask(slot, math.floor(waited * 1000))
    if txn.c:nbsrv(slot) > 0 then return end
    -- A process that was replaced counts no server as usable, and uses those it has all the same.
    if stopping(txn) and (answer == "go" or answer == nil) then return end
    if answer == "timeout" or answer == "full" or answer == "gone" then
      txn:set_var("txn.hold", answer)
      return
    end
    if answer == nil then
      if seconds() - began > alone_s then
        txn:set_var("txn.hold", "timeout")
        return
      end
      for _ = 1, 5 do
        core.msleep(50)
        if txn.c:nbsrv(slot) > 0 then return end
      end
    elseif answer ~= "again" then
      -- «go», but the server has left again: not too fast.
      core.msleep(10)
    end
  end
end, 0)
