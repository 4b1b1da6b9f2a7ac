-- The gateway's own answers, for the actions of the other files: `berth.answer(txn, name)` ends the request with one.
berth = {}

-- Name → status, retry_after_s (or nil), html, json: written by the controller.
local texts = dofile(os.getenv("BERTH_TEXTS"))

local own_pages = os.getenv("BERTH_ERROR_PAGES")

-- The app's own page for a status; nil when it has none.
function berth.own_page(slot, status)
  local file = slot ~= nil and io.open(own_pages .. "/" .. slot .. "-" .. status .. ".html", "r") or nil
  if file == nil then return nil end
  local html = file:read("a")
  file:close()
  return html
end

-- For what fails on the way.
core.register_converters("error_page", function(slot, status)
  return berth.own_page(slot, status) or texts[status].html
end)

-- `own`: what may stand in place of its text: html, retry_after_s, and headers beside it.
function berth.answer(txn, name, own)
  local text = texts[name]
  own = own or {}
  local accept = string.lower(txn.f:req_fhdr("accept") or "")
  local is_json = string.find(accept, "json", 1, true) ~= nil and string.find(accept, "text/html", 1, true) == nil
  local reply = txn:reply{ status = text.status }
  reply:add_header("content-type", is_json and "application/problem+json" or "text/html; charset=utf-8")
  reply:add_header("cache-control", "no-store")
  reply:add_header("x-request-id", txn.f:req_fhdr("x-request-id") or "")
  local retry_after_s = own.retry_after_s or text.retry_after_s
  if retry_after_s ~= nil then reply:add_header("retry-after", string.format("%d", retry_after_s)) end
  for header, value in pairs(own.headers or {}) do reply:add_header(header, value) end
  reply:set_body(is_json and text.json or own.html or text.html)
  txn:done(reply)
end
