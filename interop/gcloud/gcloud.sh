# Every command of gcloud tasks: gcloud.sh ADDRESS LOCATION TARGET
#
# Prints the name of each call that it has checked. docs/other-clients.md shows the marked region.
set -euo pipefail
address=$1 target=$3
project=${2#projects/} project=${project%%/*} location=${2##*/}
# begin docs
export CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDTASKS=http://$address/
export CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true
export CLOUDSDK_CORE_PROJECT=$project
# end docs
export CLOUDSDK_CORE_DISABLE_PROMPTS=1
target_host=${target#http://} target_host=${target_host%%/*}
key=$2/keyRings/interop/cryptoKeys/key

fail() {
  echo "$*" >&2
  exit 1
}

# tasks COMMAND…: a command in the location.
tasks() {
  gcloud tasks "$@" --location="$location"
}

# expect TEXT COMMAND…: its output contains a text.
expect() {
  answer=$(tasks "${@:2}" --format=json | tr -d ' \n')
  [[ $answer == *"$1"* ]] || fail "${*:2}: no $1 in $answer"
}

# refused TEXT COMMAND…: it fails, and says so.
refused() {
  if answer=$(tasks "${@:2}" 2>&1); then
    fail "${*:2} succeeded: $answer"
  fi
  [[ $answer == *"$1"* ]] || fail "${*:2}: no $1 in $answer"
}

create_task() {
  tasks create-http-task "$1" --queue=letters --url="$target/$1" --header=X-Interop:yes \
    --body-content=hello "${@:2}"
}

later() {
  date -u -d '+1 hour' +%FT%TZ
}

tasks queues create letters --max-dispatches-per-second=50 --min-backoff=0.2s
refused 'already exists' queues create letters
refused 'Queue ID "not_valid" can contain only letters' queues create not_valid
echo CreateQueue
expect '"maxBurstSize":10' queues describe letters
refused NOT_FOUND queues describe missing
echo GetQueue
tasks queues update letters --max-dispatches-per-second=100
expect '"maxDispatchesPerSecond":100' queues describe letters
[[ $answer == *'"minBackoff":"0.200s"'* ]] || fail "queues update: $answer"
echo UpdateQueue
tasks queues create spare
expect spare queues list
[[ $answer == *letters* ]] || fail "queues list: $answer"
echo ListQueues

tasks queues add-iam-policy-binding letters --role=roles/cloudtasks.enqueuer \
  --member=user:ann@example.com --format=none
echo SetIamPolicy
expect user:ann@example.com queues get-iam-policy letters
echo GetIamPolicy

[[ $(gcloud tasks locations list --format='value(name)') == *"/$location"* ]] || fail "locations list"
echo ListLocations
[[ $(gcloud tasks locations describe "$location") == *"/$location"* ]] || fail "locations describe"
echo GetLocation
tasks cmek-config update --kms-project="$project" --kms-keyring=interop --kms-key-name=key >/dev/null
echo UpdateCmekConfig
expect "$key" cmek-config describe
echo GetCmekConfig

tasks queues pause letters
expect '"state":"PAUSED"' queues describe letters
echo PauseQueue
create_task first
refused 'already exists' create-http-task first --queue=letters --url="$target/first"
refused INVALID_ARGUMENT create-http-task --queue=letters --url=ftp://example.com
refused NOT_FOUND create-http-task --queue=missing --url="$target"
echo CreateTask
expect "$(printf hello | base64)" describe first --queue=letters --response-view=full
echo GetTask
create_task deleted
tasks delete deleted --queue=letters
refused NOT_FOUND describe deleted --queue=letters
echo DeleteTask
create_task run --schedule-time="$(later)"
expect '"dispatchCount":1' run run --queue=letters
echo RunTask
create_task retry
expect tasks/first list --queue=letters
[[ $answer == *tasks/retry* && $answer != *tasks/deleted* ]] || fail "list: $answer"
echo ListTasks
tasks queues resume letters
expect '"state":"RUNNING"' queues describe letters
echo ResumeQueue

tasks create-http-task --queue=spare --url="$target/purged" --schedule-time="$(later)"
tasks queues purge spare
[[ -z $(tasks list --queue=spare --format='value(name)') ]] || fail "queues purge: tasks are left"
echo PurgeQueue
tasks queues delete spare
refused NOT_FOUND queues describe spare
echo DeleteQueue

tasks queues create buffered --http-uri-override="scheme:http,host:${target_host%:*},port:${target_host#*:},path:${target#*"$target_host"}/buffer,mode:ALWAYS"
tasks buffer --queue=buffered
echo BufferTask
