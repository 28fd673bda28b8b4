//! Every call of Google's Rust client: interop ADDRESS LOCATION TARGET
//!
//! Prints the name of each call that it has checked. docs/other-clients.md shows the marked region.

// begin docs
use google_cloud_auth::credentials::anonymous;
use google_cloud_tasks_v2::client::CloudTasks;
// end docs

use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::paginator::ItemPaginator;
use google_cloud_iam_v1::model::{Binding, Policy};
use google_cloud_lro::Poller;
use google_cloud_tasks_v2::model::{
    CmekConfig, CreateTaskRequest, HttpRequest, Queue, RateLimits, RetryConfig, Task, queue, task,
};
use google_cloud_wkt::{Duration, FieldMask, Timestamp};
use std::fmt::Debug;
use std::time::SystemTime;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

// begin docs
async fn rest_client(address: &str) -> google_cloud_gax::client_builder::Result<CloudTasks> {
    CloudTasks::builder()
        .with_endpoint(format!("http://{address}"))
        .with_credentials(anonymous::Builder::new().build())
        .build()
        .await
}
// end docs

struct Program {
    client: CloudTasks,
    location: String,
    queue: String,
    spare: String,
    target: String,
}

fn checked(call: &str, expected: bool, answer: impl Debug) {
    assert!(expected, "{call}: unexpected answer: {answer:?}");
    println!("{call}");
}

/// Returns the details of the error with which a call was refused.
fn refused<T: Debug>(code: Code, result: google_cloud_gax::Result<T>) -> String {
    let error = result.expect_err("the call is refused");
    let status = error.status().expect("the error has a status");
    assert_eq!(status.code, code, "{}", status.message);
    format!("{:?}", status.details)
}

fn later() -> Timestamp {
    let time = SystemTime::now() + std::time::Duration::from_secs(3600);
    Timestamp::try_from(time).expect("a timestamp")
}

fn unnamed(url: &str) -> Task {
    Task::new().set_http_request(HttpRequest::new().set_url(url))
}

/// Returns all items of all pages.
async fn listed<R, T>(mut items: impl ItemPaginator<R, google_cloud_gax::error::Error>) -> Result<Vec<T>>
where
    R: google_cloud_gax::paginator::internal::PageableResponse<PageItem = T>,
{
    let mut all = vec![];
    while let Some(item) = items.next().await {
        all.push(item?);
    }
    Ok(all)
}

impl Program {
    fn task(&self, id: &str) -> Task {
        Task::new()
            .set_name(format!("{}/tasks/{id}", self.queue))
            .set_http_request(
                HttpRequest::new()
                    .set_url(format!("{}/{id}", self.target))
                    .set_headers([("X-Interop", "yes")])
                    .set_body("hello"),
            )
    }

    async fn create_queue(&self, queue: Queue) -> google_cloud_gax::Result<Queue> {
        self.client.create_queue().set_parent(&self.location).set_queue(queue).send().await
    }

    async fn get_queue(&self, name: &str) -> google_cloud_gax::Result<Queue> {
        self.client.get_queue().set_name(name).send().await
    }

    async fn create_task(&self, queue: &str, task: Task) -> google_cloud_gax::Result<Task> {
        self.client.create_task().set_parent(queue).set_task(task).send().await
    }

    async fn get_task(&self, id: &str) -> google_cloud_gax::Result<Task> {
        let name = format!("{}/tasks/{id}", self.queue);
        self.client.get_task().set_name(name).set_response_view(task::View::Full).send().await
    }

    async fn check_queues(&self) -> Result {
        let backoff = Duration::clamp(0, 200_000_000);
        let letters = Queue::new()
            .set_name(&self.queue)
            .set_rate_limits(RateLimits::new().set_max_dispatches_per_second(50.0))
            .set_retry_config(RetryConfig::new().set_min_backoff(backoff));
        self.create_queue(letters.clone()).await?;
        refused(Code::AlreadyExists, self.create_queue(letters).await);
        let invalid = Queue::new().set_name(format!("{}/queues/not_valid", self.location));
        let details = refused(Code::InvalidArgument, self.create_queue(invalid).await);
        checked("CreateQueue", details.contains("Definition of queue ID"), details);

        let answer = self.get_queue(&self.queue).await?;
        refused(Code::NotFound, self.get_queue(&format!("{}-missing", self.queue)).await);
        let limits = answer.rate_limits.expect("rate limits");
        checked("GetQueue", limits.max_burst_size == 10, limits);

        let limits = RateLimits::new().set_max_dispatches_per_second(100.0);
        let paths = ["rate_limits.max_dispatches_per_second"];
        let answer = self
            .client
            .update_queue()
            .set_queue(Queue::new().set_name(&self.queue).set_rate_limits(limits))
            .set_update_mask(FieldMask::default().set_paths(paths))
            .send()
            .await?;
        let limits = answer.rate_limits.as_ref().expect("rate limits");
        let retries = answer.retry_config.as_ref().expect("a retry configuration");
        let expected =
            limits.max_dispatches_per_second == 100.0 && retries.min_backoff == Some(backoff);
        checked("UpdateQueue", expected, answer);

        self.create_queue(Queue::new().set_name(&self.spare)).await?;
        let queues = self.client.list_queues().set_parent(&self.location).set_page_size(1);
        let names: Vec<String> =
            listed(queues.by_item()).await?.into_iter().map(|each| each.name).collect();
        checked("ListQueues", names == [self.queue.as_str(), self.spare.as_str()], names);
        Ok(())
    }

    async fn check_policies(&self) -> Result {
        let binding = Binding::new()
            .set_role("roles/cloudtasks.enqueuer")
            .set_members(["user:ann@example.com"]);
        let policy = Policy::new().set_bindings([binding.clone()]);
        let client = &self.client;
        let answer = client.set_iam_policy().set_resource(&self.queue).set_policy(policy).send();
        let answer = answer.await?;
        checked("SetIamPolicy", answer.bindings == [binding.clone()], answer);
        let answer = client.get_iam_policy().set_resource(&self.queue).send().await?;
        checked("GetIamPolicy", answer.bindings == [binding], answer);
        let permissions = ["cloudtasks.tasks.create"];
        let request = client.test_iam_permissions().set_resource(&self.queue);
        let answer = request.set_permissions(permissions).send().await?;
        checked("TestIamPermissions", answer.permissions == permissions, answer);
        Ok(())
    }

    async fn check_location(&self) -> Result {
        let (project, id) = self.location.split_once("/locations/").expect("a location");
        let locations = listed(self.client.list_locations().set_name(project).by_item()).await?;
        let expected = locations.iter().any(|each| each.name == self.location);
        checked("ListLocations", expected, locations);
        let answer = self.client.get_location().set_name(&self.location).send().await?;
        checked("GetLocation", answer.location_id == id, answer);

        let name = format!("{}/cmekConfig", self.location);
        let key = format!("{}/keyRings/interop/cryptoKeys/key", self.location);
        let config = CmekConfig::new().set_name(&name).set_kms_key(&key);
        let mask = FieldMask::default().set_paths(["kms_key"]);
        let request = self.client.update_cmek_config().set_cmek_config(config);
        let answer = request.set_update_mask(mask).send().await?;
        checked("UpdateCmekConfig", answer.kms_key == key, answer);
        let answer = self.client.get_cmek_config().set_name(&name).send().await?;
        checked("GetCmekConfig", answer.kms_key == key, answer);
        Ok(())
    }

    async fn check_tasks(&self) -> Result {
        let answer = self.client.pause_queue().set_name(&self.queue).send().await?;
        checked("PauseQueue", answer.state == queue::State::Paused, answer);

        let first = self.create_task(&self.queue, self.task("first")).await?;
        let again = self.create_task(&self.queue, self.task("first")).await;
        refused(Code::AlreadyExists, again);
        let invalid = self.create_task(&self.queue, unnamed("ftp://example.com")).await;
        refused(Code::InvalidArgument, invalid);
        let missing = format!("{}-missing", self.queue);
        refused(Code::NotFound, self.create_task(&missing, unnamed(&self.target)).await);
        checked("CreateTask", first.name == format!("{}/tasks/first", self.queue), &first);

        let answer = self.get_task("first").await?;
        let body = &answer.http_request().expect("an HTTP request").body;
        checked("GetTask", body == "hello", &answer);

        let deleted = self.create_task(&self.queue, self.task("deleted")).await?;
        self.client.delete_task().set_name(&deleted.name).send().await?;
        refused(Code::NotFound, self.get_task("deleted").await);
        checked("DeleteTask", true, ());

        let scheduled = self.task("run").set_schedule_time(later());
        let scheduled = self.create_task(&self.queue, scheduled).await?;
        let answer = self.client.run_task().set_name(&scheduled.name).send().await?;
        checked("RunTask", answer.dispatch_count == 1, answer);
        Ok(())
    }

    async fn check_batches(&self) -> Result {
        let tasks = [self.task("batch"), self.task("batch-deleted")];
        let names = tasks.clone().map(|each| each.name);
        let requests =
            tasks.map(|each| CreateTaskRequest::new().set_parent(&self.queue).set_task(each));
        let batch = self.client.batch_create_tasks().set_parent(&self.queue).set_requests(requests);
        let operation = batch.send().await?;
        let answer = self.client.get_operation().set_name(&operation.name).send().await?;
        checked("GetOperation", answer.done, answer);
        refused(Code::AlreadyExists, self.create_task(&self.queue, self.task("batch")).await);
        checked("BatchCreateTasks", true, ());
        let removal = self.client.batch_delete_tasks().set_parent(&self.queue);
        removal.set_names([&names[1]]).poller().until_done().await?;
        refused(Code::NotFound, self.get_task("batch-deleted").await);
        checked("BatchDeleteTasks", true, ());

        let tasks = self.client.list_tasks().set_parent(&self.queue).set_page_size(1);
        let mut left: Vec<String> =
            listed(tasks.by_item()).await?.into_iter().map(|each| each.name).collect();
        left.retain(|name| !name.ends_with("/run")); // it may have been delivered
        left.sort();
        checked("ListTasks", left == [names[0].clone(), format!("{}/tasks/first", self.queue)], &left);
        Ok(())
    }

    async fn check_resume(&self) -> Result {
        self.create_task(&self.queue, self.task("retry")).await?;
        let answer = self.client.resume_queue().set_name(&self.queue).send().await?;
        checked("ResumeQueue", answer.state == queue::State::Running, answer);
        Ok(())
    }

    async fn check_removal(&self) -> Result {
        let task = unnamed(&format!("{}/purged", self.target)).set_schedule_time(later());
        self.create_task(&self.spare, task).await?;
        self.client.purge_queue().set_name(&self.spare).send().await?;
        let left = listed(self.client.list_tasks().set_parent(&self.spare).by_item()).await?;
        checked("PurgeQueue", left.is_empty(), left);
        self.client.delete_queue().set_name(&self.spare).send().await?;
        refused(Code::NotFound, self.get_queue(&self.spare).await);
        checked("DeleteQueue", true, ());
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, location, target] = arguments.as_slice() else {
        return Err("ADDRESS LOCATION TARGET expected".into());
    };
    let program = Program {
        client: rest_client(address).await?,
        location: location.clone(),
        queue: format!("{location}/queues/letters"),
        spare: format!("{location}/queues/spare"),
        target: target.clone(),
    };
    program.check_queues().await?;
    program.check_policies().await?;
    program.check_location().await?;
    program.check_tasks().await?;
    program.check_batches().await?;
    program.check_resume().await?;
    program.check_removal().await
}
