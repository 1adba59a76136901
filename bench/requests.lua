-- Sends the prepared requests of a file in a random order; a line is: path TAB accept TAB range (accept, range may be empty);
-- the third argument is an Authorization header for all of them
local thread_no = 0
function setup(thread) thread:set("id", thread_no) thread_no = thread_no + 1 end
function init(args)
  prepared = {}
  for line in io.lines(args[1]) do
    local path, accept, range = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)$")
    local headers = {}
    if accept ~= "" then headers["Accept"] = accept end
    if range ~= "" then headers["Range"] = range end
    if args[3] then headers["Authorization"] = args[3] end
    prepared[#prepared + 1] = wrk.format("GET", path, headers)
  end
  math.randomseed(tonumber(args[2]) + id)
end
function request() return prepared[math.random(#prepared)] end
function done(summary, latency)
  io.write(string.format(
    '\nJSON{"requests":%d,"bytes":%d,"us":%d,"p50_ms":%.3f,"p99_ms":%.3f,"bad":%d,"broken":%d}\n',
    summary.requests, summary.bytes, summary.duration, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
