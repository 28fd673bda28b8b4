// Every call of Google's Go client: interop grpc|rest ADDRESS LOCATION TARGET
//
// Prints the name of each call that it has checked. docs/other-clients.md shows the marked regions.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	// begin docs
	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	// end docs

	pb "cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	iam "cloud.google.com/go/iam/apiv1/iampb"
	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/googleapis/gax-go/v2/apierror"
	"google.golang.org/api/iterator"
	"google.golang.org/genproto/googleapis/cloud/location"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// begin docs
func grpcClient(ctx context.Context, address string) (*cloudtasks.Client, error) {
	return cloudtasks.NewClient(ctx,
		option.WithEndpoint(address),
		option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
}

func restClient(ctx context.Context, address string) (*cloudtasks.Client, error) {
	return cloudtasks.NewRESTClient(ctx,
		option.WithEndpoint("http://"+address),
		option.WithoutAuthentication())
}

// end docs

var clients = map[string]func(context.Context, string) (*cloudtasks.Client, error){
	"grpc": grpcClient,
	"rest": restClient,
}

// program calls a client; an unexpected answer ends the process.
type program struct {
	*cloudtasks.Client
	ctx                            context.Context
	location, queue, spare, target string
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Panicln(err)
	}
}

// checked prints the name of a call whose answer is as expected.
func checked(call string, expected bool, answer any) {
	if !expected {
		log.Panicf("%s: unexpected answer: %v", call, answer)
	}
	fmt.Println(call)
}

// refused checks the status of an error.
func refused(code codes.Code, err error) *apierror.APIError {
	var problem *apierror.APIError
	if !errors.As(err, &problem) {
		log.Panicf("%s expected, not %v", code, err)
	}
	got := problem.GRPCStatus().Code()
	if problem.HTTPCode() == 409 {
		got = codes.AlreadyExists // over REST, the client only reads the 409: Aborted
	}
	if got != code {
		log.Panicf("%s expected, not %v", code, err)
	}
	return problem
}

// names returns the names of all items of an iterator.
func names[T interface{ GetName() string }](next func() (T, error)) []string {
	var all []string
	for {
		item, err := next()
		if errors.Is(err, iterator.Done) {
			return all
		}
		check(err)
		all = append(all, item.GetName())
	}
}

func later() *timestamppb.Timestamp {
	return timestamppb.New(time.Now().Add(time.Hour))
}

func (p *program) task(id string) *pb.Task {
	return &pb.Task{
		Name: p.queue + "/tasks/" + id,
		MessageType: &pb.Task_HttpRequest{HttpRequest: &pb.HttpRequest{
			Url:     p.target + "/" + id,
			Headers: map[string]string{"X-Interop": "yes"},
			Body:    []byte("hello"),
		}},
	}
}

func unnamed(url string) *pb.Task {
	return &pb.Task{MessageType: &pb.Task_HttpRequest{HttpRequest: &pb.HttpRequest{Url: url}}}
}

func (p *program) createQueue(queue *pb.Queue) (*pb.Queue, error) {
	return p.CreateQueue(p.ctx, &pb.CreateQueueRequest{Parent: p.location, Queue: queue})
}

func (p *program) getQueue(name string) (*pb.Queue, error) {
	return p.GetQueue(p.ctx, &pb.GetQueueRequest{Name: name})
}

func (p *program) createTask(queue string, task *pb.Task) (*pb.Task, error) {
	return p.CreateTask(p.ctx, &pb.CreateTaskRequest{Parent: queue, Task: task})
}

func (p *program) getTask(id string) (*pb.Task, error) {
	return p.GetTask(p.ctx, &pb.GetTaskRequest{
		Name: p.queue + "/tasks/" + id, ResponseView: pb.Task_FULL})
}

func (p *program) checkQueues() {
	backoff := durationpb.New(200 * time.Millisecond)
	letters := &pb.Queue{
		Name:        p.queue,
		RateLimits:  &pb.RateLimits{MaxDispatchesPerSecond: 50},
		RetryConfig: &pb.RetryConfig{MinBackoff: backoff},
	}
	must(p.createQueue(letters))
	_, err := p.createQueue(letters)
	refused(codes.AlreadyExists, err)
	_, err = p.createQueue(&pb.Queue{Name: p.location + "/queues/not_valid"})
	help := refused(codes.InvalidArgument, err).Details().Help
	checked("CreateQueue", help.GetLinks()[0].GetDescription() == "Definition of queue ID", help)

	queue := must(p.getQueue(p.queue))
	_, err = p.getQueue(p.queue + "-missing")
	refused(codes.NotFound, err)
	checked("GetQueue", queue.GetRateLimits().GetMaxBurstSize() == 10, queue)

	queue = must(p.UpdateQueue(p.ctx, &pb.UpdateQueueRequest{
		Queue:      &pb.Queue{Name: p.queue, RateLimits: &pb.RateLimits{MaxDispatchesPerSecond: 100}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"rate_limits.max_dispatches_per_second"}},
	}))
	checked("UpdateQueue", queue.GetRateLimits().GetMaxDispatchesPerSecond() == 100 &&
		queue.GetRetryConfig().GetMinBackoff().AsDuration() == backoff.AsDuration(), queue)

	must(p.createQueue(&pb.Queue{Name: p.spare}))
	queues := names(p.ListQueues(p.ctx, &pb.ListQueuesRequest{Parent: p.location, PageSize: 1}).Next)
	checked("ListQueues", slices.Equal(queues, []string{p.queue, p.spare}), queues)
}

func (p *program) checkPolicies() {
	binding := &iam.Binding{Role: "roles/cloudtasks.enqueuer", Members: []string{"user:ann@example.com"}}
	policy := must(p.SetIamPolicy(p.ctx, &iam.SetIamPolicyRequest{
		Resource: p.queue, Policy: &iam.Policy{Bindings: []*iam.Binding{binding}}}))
	checked("SetIamPolicy", slices.Equal(policy.GetBindings()[0].GetMembers(), binding.Members), policy)
	policy = must(p.GetIamPolicy(p.ctx, &iam.GetIamPolicyRequest{Resource: p.queue}))
	checked("GetIamPolicy", policy.GetBindings()[0].GetRole() == binding.Role, policy)
	permissions := []string{"cloudtasks.tasks.create"}
	granted := must(p.TestIamPermissions(p.ctx, &iam.TestIamPermissionsRequest{
		Resource: p.queue, Permissions: permissions}))
	checked("TestIamPermissions", slices.Equal(granted.GetPermissions(), permissions), granted)
}

func (p *program) checkLocation() {
	project, id, _ := strings.Cut(p.location, "/locations/")
	locations := names(p.ListLocations(p.ctx, &location.ListLocationsRequest{Name: project}).Next)
	checked("ListLocations", slices.Contains(locations, p.location), locations)
	place := must(p.GetLocation(p.ctx, &location.GetLocationRequest{Name: p.location}))
	checked("GetLocation", place.GetLocationId() == id, place)

	key := p.location + "/keyRings/interop/cryptoKeys/key"
	name := p.location + "/cmekConfig"
	config := must(p.UpdateCmekConfig(p.ctx, &pb.UpdateCmekConfigRequest{
		CmekConfig: &pb.CmekConfig{Name: name, KmsKey: key},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"kms_key"}},
	}))
	checked("UpdateCmekConfig", config.GetKmsKey() == key, config)
	config = must(p.GetCmekConfig(p.ctx, &pb.GetCmekConfigRequest{Name: name}))
	checked("GetCmekConfig", config.GetKmsKey() == key, config)
}

func (p *program) checkTasks() {
	queue := must(p.PauseQueue(p.ctx, &pb.PauseQueueRequest{Name: p.queue}))
	checked("PauseQueue", queue.GetState() == pb.Queue_PAUSED, queue)

	first := must(p.createTask(p.queue, p.task("first")))
	_, err := p.createTask(p.queue, p.task("first"))
	refused(codes.AlreadyExists, err)
	_, err = p.createTask(p.queue, unnamed("ftp://example.com"))
	refused(codes.InvalidArgument, err)
	_, err = p.createTask(p.queue+"-missing", unnamed(p.target))
	refused(codes.NotFound, err)
	checked("CreateTask", first.GetName() == p.queue+"/tasks/first", first)

	first = must(p.getTask("first"))
	checked("GetTask", string(first.GetHttpRequest().GetBody()) == "hello", first)

	deleted := must(p.createTask(p.queue, p.task("deleted")))
	check(p.DeleteTask(p.ctx, &pb.DeleteTaskRequest{Name: deleted.GetName()}))
	_, err = p.getTask("deleted")
	refused(codes.NotFound, err)
	checked("DeleteTask", true, nil)

	scheduled := p.task("run")
	scheduled.ScheduleTime = later()
	must(p.createTask(p.queue, scheduled))
	run := must(p.RunTask(p.ctx, &pb.RunTaskRequest{Name: scheduled.GetName()}))
	checked("RunTask", run.GetDispatchCount() == 1, run)
}

func (p *program) checkBatches() {
	batch, deleted := p.task("batch"), p.task("batch-deleted")
	created := must(p.BatchCreateTasks(p.ctx, &pb.BatchCreateTasksRequest{
		Parent: p.queue,
		Requests: []*pb.CreateTaskRequest{
			{Parent: p.queue, Task: batch}, {Parent: p.queue, Task: deleted}},
	}))
	response := must(created.Wait(p.ctx))
	checked("BatchCreateTasks", len(response.GetTasks()) == 2, response)
	operation := must(p.GetOperation(p.ctx, &longrunning.GetOperationRequest{Name: created.Name()}))
	checked("GetOperation", operation.GetDone(), operation)
	removal := must(p.BatchDeleteTasks(p.ctx, &pb.BatchDeleteTasksRequest{
		Parent: p.queue, Names: []string{deleted.GetName()}}))
	check(removal.Wait(p.ctx))
	_, err := p.getTask("batch-deleted")
	refused(codes.NotFound, err)
	checked("BatchDeleteTasks", true, nil)

	tasks := names(p.ListTasks(p.ctx, &pb.ListTasksRequest{Parent: p.queue, PageSize: 1}).Next)
	tasks = slices.DeleteFunc(tasks, func(name string) bool { return strings.HasSuffix(name, "/run") })
	slices.Sort(tasks)
	checked("ListTasks", slices.Equal(tasks, []string{batch.GetName(), p.queue + "/tasks/first"}), tasks)
}

func (p *program) checkResume() {
	must(p.createTask(p.queue, p.task("retry")))
	queue := must(p.ResumeQueue(p.ctx, &pb.ResumeQueueRequest{Name: p.queue}))
	checked("ResumeQueue", queue.GetState() == pb.Queue_RUNNING, queue)
}

func (p *program) checkRemoval() {
	task := unnamed(p.target + "/purged")
	task.ScheduleTime = later()
	must(p.createTask(p.spare, task))
	must(p.PurgeQueue(p.ctx, &pb.PurgeQueueRequest{Name: p.spare}))
	tasks := names(p.ListTasks(p.ctx, &pb.ListTasksRequest{Parent: p.spare}).Next)
	checked("PurgeQueue", len(tasks) == 0, tasks)
	check(p.DeleteQueue(p.ctx, &pb.DeleteQueueRequest{Name: p.spare}))
	_, err := p.getQueue(p.spare)
	refused(codes.NotFound, err)
	checked("DeleteQueue", true, nil)
}

func main() {
	transport, address, location, target := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	ctx := context.Background()
	client := must(clients[transport](ctx, address))
	defer client.Close()
	p := &program{client, ctx, location, location + "/queues/letters", location + "/queues/spare", target}
	p.checkQueues()
	p.checkPolicies()
	p.checkLocation()
	p.checkTasks()
	p.checkBatches()
	p.checkResume()
	p.checkRemoval()
}
