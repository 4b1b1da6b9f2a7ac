-- Holds a request while its app has no server: asks the controller, which answers when one runs or the time is over.
-- Without a controller it looks by itself, so that what is routed already is served: a server that may sleep is asked all
-- the same, and its node wakes it a moment later.
local socket = os.getenv("BERTH_HOLD_SOCKET")
local self_socket = os.getenv("BERTH_SELF_SOCKET")
local max_per_app = tonumber(os.getenv("BERTH_MAX_PER_APP"))
local alone_s = tonumber(os.getenv("BERTH_HOLD_ALONE_MS")) / 1000
-- The controller answers within a few seconds, with «again» if it must: one that is silent for so long is not there.
local ASK_TIMEOUT_S = 10
-- What the controller says when the request goes no further, and the page for it.
local ENDS = { full = "too-many", gone = "unknown-host" }

local function ask(slot, waited_ms)
  local controller = core.tcp()
  controller:settimeout(ASK_TIMEOUT_S)
  if not controller:connect("unix@" .. socket) then return nil end
  controller:send(slot .. " " .. waited_ms .. "\n")
  local answer = controller:receive("*l")
  controller:close()
  return answer
end

local function seconds()
  local now = core.now()
  return now.sec + now.usec / 1000000
end

local function command(line)
  local cli = core.tcp()
  cli:settimeout(5)
  if not cli:connect("unix@" .. self_socket) then return "" end
  cli:send(line .. "\n")
  local answer = cli:receive("*a")
  cli:close()
  return answer or ""
end

-- Servers that sleep have weight 0. Those that were added at run time are not in `core.backends`.
local function open_sleepers(slot)
  for line in string.gmatch(command("show stat " .. slot .. " 4 -1"), "[^\n]+") do
    local fields = core.tokenize(line, ",")
    if fields[1] == slot and fields[18] ~= "MAINT" and fields[18] ~= "DRAIN" and fields[19] == "0" then
      command("set server " .. slot .. "/" .. fields[2] .. " weight 1")
    end
  end
end

local function stopping(txn)
  local is = txn.f:stopping()
  return is == true or is == 1
end

core.register_action("hold", { "http-req" }, function(txn)
  if txn.f:be_conn() > max_per_app then return berth.answer(txn, "too-many") end
  local slot = txn.f:be_name()
  local began = seconds()
  while true do
    local waited = seconds() - began
    local answer = ask(slot, math.floor(waited * 1000))
    if txn.c:nbsrv(slot) > 0 then return end
    -- A process that was replaced counts no server as usable, and uses those it has all the same.
    if stopping(txn) and (answer == "go" or answer == nil) then return end
    if answer == "timeout" then return berth.answer(txn, "wake-timeout", { html = berth.own_page(slot, "503") }) end
    if ENDS[answer] ~= nil then return berth.answer(txn, ENDS[answer]) end
    if answer == nil then
      open_sleepers(slot)
      if txn.c:nbsrv(slot) > 0 then return end
      if seconds() - began > alone_s then return berth.answer(txn, "wake-timeout", { html = berth.own_page(slot, "503") }) end
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
