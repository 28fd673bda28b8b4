// Every call of Google's Java client: Program grpc|rest ADDRESS LOCATION TARGET
//
// Prints the name of each call that it has checked. docs/other-clients.md shows the marked regions.

// begin docs
import com.google.api.gax.core.NoCredentialsProvider;
import com.google.cloud.tasks.v2.CloudTasksClient;
import com.google.cloud.tasks.v2.CloudTasksSettings;
import io.grpc.ManagedChannelBuilder;
// end docs

import com.google.api.gax.rpc.ApiException;
import com.google.api.gax.rpc.StatusCode.Code;
import com.google.cloud.location.GetLocationRequest;
import com.google.cloud.location.ListLocationsRequest;
import com.google.cloud.tasks.v2.GetTaskRequest;
import com.google.cloud.tasks.v2.HttpRequest;
import com.google.cloud.tasks.v2.ListQueuesRequest;
import com.google.cloud.tasks.v2.ListTasksRequest;
import com.google.cloud.tasks.v2.Queue;
import com.google.cloud.tasks.v2.RateLimits;
import com.google.cloud.tasks.v2.RetryConfig;
import com.google.cloud.tasks.v2.Task;
import com.google.iam.v1.Binding;
import com.google.iam.v1.GetIamPolicyRequest;
import com.google.iam.v1.Policy;
import com.google.iam.v1.SetIamPolicyRequest;
import com.google.iam.v1.TestIamPermissionsRequest;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.FieldMask;
import com.google.protobuf.Timestamp;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

public class Program {
  // begin docs
  static CloudTasksClient grpcClient(String address) throws IOException {
    return CloudTasksClient.create(
        CloudTasksSettings.newBuilder()
            .setEndpoint(address)
            .setCredentialsProvider(NoCredentialsProvider.create())
            .setTransportChannelProvider(
                CloudTasksSettings.defaultGrpcTransportProviderBuilder()
                    .setChannelConfigurator(ManagedChannelBuilder::usePlaintext)
                    .build())
            .build());
  }

  static CloudTasksClient restClient(String address) throws IOException {
    return CloudTasksClient.create(
        CloudTasksSettings.newHttpJsonBuilder()
            .setEndpoint("http://" + address)
            .setCredentialsProvider(NoCredentialsProvider.create())
            .build());
  }

  // end docs

  final CloudTasksClient client;
  final String location;
  final String queue;
  final String spare;
  final String target;
  final Code alreadyExists;

  Program(CloudTasksClient client, Code alreadyExists, String location, String target) {
    this.client = client;
    this.alreadyExists = alreadyExists;
    this.location = location;
    this.queue = location + "/queues/letters";
    this.spare = location + "/queues/spare";
    this.target = target;
  }

  static void checked(String call, boolean expected, Object answer) {
    if (!expected) {
      throw new AssertionError(call + ": unexpected answer: " + answer);
    }
    System.out.println(call);
  }

  static ApiException refused(Code code, Runnable call) {
    try {
      call.run();
    } catch (ApiException error) {
      if (error.getStatusCode().getCode() == code) {
        return error;
      }
      throw error;
    }
    throw new AssertionError("the call succeeded");
  }

  static Timestamp later() {
    return Timestamp.newBuilder().setSeconds(Instant.now().getEpochSecond() + 3600).build();
  }

  Task.Builder task(String id) {
    return Task.newBuilder()
        .setName(queue + "/tasks/" + id)
        .setHttpRequest(
            HttpRequest.newBuilder()
                .setUrl(target + "/" + id)
                .putHeaders("X-Interop", "yes")
                .setBody(ByteString.copyFromUtf8("hello")));
  }

  static Task.Builder unnamed(String url) {
    return Task.newBuilder().setHttpRequest(HttpRequest.newBuilder().setUrl(url));
  }

  void checkQueues() {
    Duration backoff = Duration.newBuilder().setNanos(200_000_000).build();
    Queue letters =
        Queue.newBuilder()
            .setName(queue)
            .setRateLimits(RateLimits.newBuilder().setMaxDispatchesPerSecond(50))
            .setRetryConfig(RetryConfig.newBuilder().setMinBackoff(backoff))
            .build();
    client.createQueue(location, letters);
    refused(alreadyExists, () -> client.createQueue(location, letters));
    Queue invalid = Queue.newBuilder().setName(location + "/queues/not_valid").build();
    ApiException error =
        refused(Code.INVALID_ARGUMENT, () -> client.createQueue(location, invalid));
    String help = error.getErrorDetails().getHelp().getLinks(0).getDescription();
    checked("CreateQueue", help.equals("Definition of queue ID"), help);

    Queue answer = client.getQueue(queue);
    refused(Code.NOT_FOUND, () -> client.getQueue(queue + "-missing"));
    checked("GetQueue", answer.getRateLimits().getMaxBurstSize() == 10, answer);

    answer =
        client.updateQueue(
            Queue.newBuilder()
                .setName(queue)
                .setRateLimits(RateLimits.newBuilder().setMaxDispatchesPerSecond(100))
                .build(),
            FieldMask.newBuilder().addPaths("rate_limits.max_dispatches_per_second").build());
    checked(
        "UpdateQueue",
        answer.getRateLimits().getMaxDispatchesPerSecond() == 100
            && answer.getRetryConfig().getMinBackoff().equals(backoff),
        answer);

    client.createQueue(location, Queue.newBuilder().setName(spare).build());
    Set<String> names = new TreeSet<>();
    client
        .listQueues(ListQueuesRequest.newBuilder().setParent(location).setPageSize(1).build())
        .iterateAll()
        .forEach(each -> names.add(each.getName()));
    checked("ListQueues", names.equals(Set.of(queue, spare)), names);
  }

  void checkPolicies() {
    Binding binding =
        Binding.newBuilder()
            .setRole("roles/cloudtasks.enqueuer")
            .addMembers("user:ann@example.com")
            .build();
    Policy answer =
        client.setIamPolicy(
            SetIamPolicyRequest.newBuilder()
                .setResource(queue)
                .setPolicy(Policy.newBuilder().addBindings(binding))
                .build());
    checked("SetIamPolicy", answer.getBindingsList().equals(List.of(binding)), answer);
    answer = client.getIamPolicy(GetIamPolicyRequest.newBuilder().setResource(queue).build());
    checked("GetIamPolicy", answer.getBindingsList().equals(List.of(binding)), answer);
    List<String> permissions = List.of("cloudtasks.tasks.create");
    List<String> granted =
        client
            .testIamPermissions(
                TestIamPermissionsRequest.newBuilder()
                    .setResource(queue)
                    .addAllPermissions(permissions)
                    .build())
            .getPermissionsList();
    checked("TestIamPermissions", granted.equals(permissions), granted);
  }

  void checkLocation() {
    Set<String> names = new TreeSet<>();
    String project = location.substring(0, location.indexOf("/locations/"));
    client
        .listLocations(ListLocationsRequest.newBuilder().setName(project).build())
        .iterateAll()
        .forEach(each -> names.add(each.getName()));
    checked("ListLocations", names.contains(location), names);
    String name =
        client.getLocation(GetLocationRequest.newBuilder().setName(location).build()).getName();
    checked("GetLocation", name.equals(location), name);
  }

  void checkTasks() {
    Queue paused = client.pauseQueue(queue);
    checked("PauseQueue", paused.getState() == Queue.State.PAUSED, paused);

    Task first = client.createTask(queue, task("first").build());
    refused(alreadyExists, () -> client.createTask(queue, task("first").build()));
    Task invalid = unnamed("ftp://example.com").build();
    refused(Code.INVALID_ARGUMENT, () -> client.createTask(queue, invalid));
    Task valid = unnamed(target).build();
    refused(Code.NOT_FOUND, () -> client.createTask(queue + "-missing", valid));
    checked("CreateTask", first.getName().equals(queue + "/tasks/first"), first);

    Task answer =
        client.getTask(
            GetTaskRequest.newBuilder()
                .setName(first.getName())
                .setResponseView(Task.View.FULL)
                .build());
    checked("GetTask", answer.getHttpRequest().getBody().toStringUtf8().equals("hello"), answer);

    String deleted = client.createTask(queue, task("deleted").build()).getName();
    client.deleteTask(deleted);
    refused(Code.NOT_FOUND, () -> client.getTask(deleted));
    checked("DeleteTask", true, "");

    client.createTask(queue, task("run").setScheduleTime(later()).build());
    answer = client.runTask(queue + "/tasks/run");
    checked("RunTask", answer.getDispatchCount() == 1, answer);

    client.createTask(queue, task("retry").build());
    Set<String> names = new TreeSet<>();
    client
        .listTasks(ListTasksRequest.newBuilder().setParent(queue).setPageSize(1).build())
        .iterateAll()
        .forEach(each -> names.add(each.getName()));
    names.remove(queue + "/tasks/run"); // it may have been delivered
    checked(
        "ListTasks",
        names.equals(Set.of(queue + "/tasks/first", queue + "/tasks/retry")),
        names);

    Queue resumed = client.resumeQueue(queue);
    checked("ResumeQueue", resumed.getState() == Queue.State.RUNNING, resumed);
  }

  void checkRemoval() {
    client.createTask(spare, unnamed(target + "/purged").setScheduleTime(later()).build());
    client.purgeQueue(spare);
    boolean left = client.listTasks(spare).iterateAll().iterator().hasNext();
    checked("PurgeQueue", !left, "tasks are left");
    client.deleteQueue(spare);
    refused(Code.NOT_FOUND, () -> client.getQueue(spare));
    checked("DeleteQueue", true, "");
  }

  public static void main(String[] arguments) throws IOException {
    boolean rest = arguments[0].equals("rest");
    try (CloudTasksClient client = rest ? restClient(arguments[1]) : grpcClient(arguments[1])) {
      Code alreadyExists = rest ? Code.ABORTED : Code.ALREADY_EXISTS; // it only reads the 409
      Program program = new Program(client, alreadyExists, arguments[2], arguments[3]);
      program.checkQueues();
      program.checkPolicies();
      program.checkLocation();
      program.checkTasks();
      program.checkRemoval();
    }
  }
}
