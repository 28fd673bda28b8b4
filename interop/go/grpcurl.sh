# Every call by grpcurl: grpcurl.sh ADDRESS LOCATION TARGET
#
# Prints the name of each call that it has checked. docs/other-clients.md shows the marked regions.
set -euo pipefail
PATH=$PWD:$PATH
address=$1 location=$2 target=$3
queue=$location/queues/letters spare=$location/queues/spare
key=$location/keyRings/interop/cryptoKeys/key
tasks_service=google.cloud.tasks.v2.CloudTasks
operations_service=google.longrunning.Operations
locations_service=google.cloud.location.Locations

# call SERVICE/METHOD JSON: print the answer on one line, without blanks.
call() {
# begin docs
grpcurl -plaintext -d "$2" "$address" "$1"
# end docs
}

fail() {
  echo "$*" >&2
  exit 1
}

# expect TEXT METHOD JSON [SERVICE]: the answer contains a text.
expect() {
  answer=$(call "${4:-$tasks_service}/$2" "$3" | tr -d ' \n')
  [[ $answer == *"$1"* ]] || fail "$2: no $1 in $answer"
}

# refused CODE METHOD JSON: the call fails with a code, or a text.
refused() {
  if answer=$(call "$tasks_service/$2" "$3" 2>&1); then
    fail "$2 succeeded: $answer"
  fi
  [[ $answer == *"$1"* ]] || fail "$2: no $1 in $answer"
}

task() {
  echo "{\"name\": \"$queue/tasks/$1\", \"http_request\": {\"url\": \"$target/$1\",
    \"headers\": {\"X-Interop\": \"yes\"}, \"body\": \"$(printf hello | base64)\"} ${2:-}}"
}

later() {
  echo "\"schedule_time\": \"$(date -u -d '+1 hour' +%FT%TZ)\""
}

letters="{\"parent\": \"$location\", \"queue\": {\"name\": \"$queue\",
  \"rate_limits\": {\"max_dispatches_per_second\": 50}, \"retry_config\": {\"min_backoff\": \"0.2s\"}}}"
expect '"state":"RUNNING"' CreateQueue "$letters"
refused AlreadyExists CreateQueue "$letters"
invalid="{\"parent\": \"$location\", \"queue\": {\"name\": \"$location/queues/not_valid\"}}"
refused InvalidArgument CreateQueue "$invalid"
refused 'Definition of queue ID' CreateQueue "$invalid"
echo CreateQueue
expect '"maxBurstSize":10' GetQueue "{\"name\": \"$queue\"}"
refused NotFound GetQueue "{\"name\": \"$queue-missing\"}"
echo GetQueue
expect '"maxDispatchesPerSecond":100' UpdateQueue "{\"queue\": {\"name\": \"$queue\",
  \"rate_limits\": {\"max_dispatches_per_second\": 100}}, \"update_mask\": {\"paths\": [\"rate_limits.max_dispatches_per_second\"]}}"
expect '"minBackoff":"0.200s"' GetQueue "{\"name\": \"$queue\"}"
echo UpdateQueue
expect "$spare" CreateQueue "{\"parent\": \"$location\", \"queue\": {\"name\": \"$spare\"}}"
expect "$queue" ListQueues "{\"parent\": \"$location\", \"page_size\": 1}"
token=$(jq -r .nextPageToken <<<"$answer")
expect "$spare" ListQueues "{\"parent\": \"$location\", \"page_size\": 1, \"page_token\": \"$token\"}"
echo ListQueues

policy='{"bindings": [{"role": "roles/cloudtasks.enqueuer", "members": ["user:ann@example.com"]}]}'
expect user:ann@example.com SetIamPolicy "{\"resource\": \"$queue\", \"policy\": $policy}"
echo SetIamPolicy
expect user:ann@example.com GetIamPolicy "{\"resource\": \"$queue\"}"
echo GetIamPolicy
expect '"permissions":["cloudtasks.tasks.create"]' TestIamPermissions \
  "{\"resource\": \"$queue\", \"permissions\": [\"cloudtasks.tasks.create\"]}"
echo TestIamPermissions

expect "$location" ListLocations "{\"name\": \"${location%/locations/*}\"}" $locations_service
echo ListLocations
expect "\"locationId\":\"${location##*/}\"" GetLocation "{\"name\": \"$location\"}" $locations_service
echo GetLocation
expect "$key" UpdateCmekConfig "{\"update_mask\": {\"paths\": [\"kms_key\"]},
  \"cmek_config\": {\"name\": \"$location/cmekConfig\", \"kms_key\": \"$key\"}}"
echo UpdateCmekConfig
expect "$key" GetCmekConfig "{\"name\": \"$location/cmekConfig\"}"
echo GetCmekConfig

expect '"state":"PAUSED"' PauseQueue "{\"name\": \"$queue\"}"
echo PauseQueue
first="{\"parent\": \"$queue\", \"task\": $(task first)}"
expect "$queue/tasks/first" CreateTask "$first"
refused AlreadyExists CreateTask "$first"
refused InvalidArgument CreateTask \
  "{\"parent\": \"$queue\", \"task\": {\"http_request\": {\"url\": \"ftp://example.com\"}}}"
refused NotFound CreateTask \
  "{\"parent\": \"$queue-missing\", \"task\": {\"http_request\": {\"url\": \"$target\"}}}"
echo CreateTask
expect "$(printf hello | base64)" GetTask "{\"name\": \"$queue/tasks/first\", \"response_view\": \"FULL\"}"
echo GetTask
expect deleted CreateTask "{\"parent\": \"$queue\", \"task\": $(task deleted)}"
expect '{}' DeleteTask "{\"name\": \"$queue/tasks/deleted\"}"
refused NotFound GetTask "{\"name\": \"$queue/tasks/deleted\"}"
echo DeleteTask
expect run CreateTask "{\"parent\": \"$queue\", \"task\": $(task run ", $(later)")}"
expect '"dispatchCount":1' RunTask "{\"name\": \"$queue/tasks/run\"}"
echo RunTask

expect '"done":true' BatchCreateTasks "{\"parent\": \"$queue\", \"requests\": [
  {\"parent\": \"$queue\", \"task\": $(task batch)},
  {\"parent\": \"$queue\", \"task\": $(task batch-deleted)}]}"
operation=$(jq -r .name <<<"$answer")
echo BatchCreateTasks
expect '"done":true' GetOperation "{\"name\": \"$operation\"}" $operations_service
echo GetOperation
expect '"done":true' BatchDeleteTasks "{\"parent\": \"$queue\", \"names\": [\"$queue/tasks/batch-deleted\"]}"
refused NotFound GetTask "{\"name\": \"$queue/tasks/batch-deleted\"}"
echo BatchDeleteTasks
expect "$queue/tasks/batch" ListTasks "{\"parent\": \"$queue\"}"
[[ $answer == *tasks/first* && $answer != *deleted* ]] || fail "ListTasks: $answer"
echo ListTasks
expect retry CreateTask "{\"parent\": \"$queue\", \"task\": $(task retry)}"
expect '"state":"RUNNING"' ResumeQueue "{\"name\": \"$queue\"}"
echo ResumeQueue

expect "$spare/tasks" CreateTask "{\"parent\": \"$spare\", \"task\": {
  \"http_request\": {\"url\": \"$target/purged\"}, $(later)}}"
expect "$spare" PurgeQueue "{\"name\": \"$spare\"}"
expect '{}' ListTasks "{\"parent\": \"$spare\"}"
echo PurgeQueue
expect '{}' DeleteQueue "{\"name\": \"$spare\"}"
refused NotFound GetQueue "{\"name\": \"$spare\"}"
echo DeleteQueue
