-- For requests with an Upgrade header alone: WebSockets go on, and the app is asked for nothing else.
core.register_action("upgrade", { "http-req" }, function(txn)
  local http = txn.http
  if string.lower(txn.f:req_fhdr("upgrade") or "") == "websocket" then
    http:req_set_header("connection", "upgrade")
  else
    http:req_del_header("upgrade")
    http:req_del_header("http2-settings")
  end
end, 0)
