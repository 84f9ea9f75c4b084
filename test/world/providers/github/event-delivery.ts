import { simpleUser } from './accounts.ts';
import { eventRepository, idAt, type Scene, type Told, tipOf } from './event-parts.ts';
import { toIso } from './installations.ts';
import { fullName } from './repositories.ts';

/** A deployment gets a status; of `inactive` nobody is told. */
export function deploymentStatus(scene: Scene): Told | null {
  const { repository, sender, now, action = 'created', state = 'success' } = scene;
  if (state === 'inactive') return null;
  const name = fullName(repository);
  const id = idAt(now);
  const url = `https://api.github.com/repos/${name}/deployments/${id}`;
  const times = { created_at: toIso(now), updated_at: toIso(now) };
  const links = { repository_url: `https://api.github.com/repos/${name}`, environment: 'production' };
  const deployment = {
    url,
    id,
    node_id: btoa(`010:Deployment${id}`),
    task: 'deploy',
    original_environment: 'production',
    ...links,
    description: null,
    ...times,
    statuses_url: `${url}/statuses`,
    creator: simpleUser(sender),
    sha: tipOf(scene, 'main').id,
    ref: 'main',
    payload: {},
    transient_environment: false,
    production_environment: true,
    performed_via_github_app: null,
  };
  const deployment_status = {
    url: `${url}/statuses/${id + 1}`,
    id: id + 1,
    node_id: btoa(`016:DeploymentStatus${id + 1}`),
    state,
    creator: simpleUser(sender),
    description: '',
    ...links,
    target_url: '',
    ...times,
    deployment_url: url,
    environment_url: `https://${repository.name.toLowerCase()}.example`,
    log_url: '',
    performed_via_github_app: null,
  };
  const none = { check_run: null, workflow: null, workflow_run: null };
  return { action, fields: { deployment_status, deployment, ...none } };
}

const RUN_STATES: Record<string, string> = {
  requested: 'queued',
  in_progress: 'in_progress',
  completed: 'completed',
};

export function workflowRun(scene: Scene): Told {
  const { repository, sender, now, action = 'completed', conclusion = 'success' } = scene;
  const name = fullName(repository);
  const id = idAt(now);
  const api = `https://api.github.com/repos/${name}/actions`;
  const commit = tipOf(scene, 'main');
  const file = { id: repository.id * 10, name: 'CI', path: '.github/workflows/ci.yml' };
  const times = { created_at: toIso(now), updated_at: toIso(now) };
  const { id: head_sha, tree_id, message, timestamp, author, committer } = commit;
  const workflow_run = {
    id,
    name: file.name,
    node_id: btoa(`011:WorkflowRun${id}`),
    head_branch: 'main',
    head_sha,
    path: file.path,
    display_title: message,
    run_number: 42,
    run_attempt: 1,
    event: 'push',
    status: RUN_STATES[action] ?? action,
    conclusion: action === 'completed' ? conclusion : null,
    workflow_id: file.id,
    check_suite_id: id + 1,
    check_suite_node_id: btoa(`010:CheckSuite${id + 1}`),
    url: `${api}/runs/${id}`,
    html_url: `https://github.com/${name}/actions/runs/${id}`,
    pull_requests: [],
    ...times,
    run_started_at: toIso(now),
    actor: simpleUser(sender),
    triggering_actor: simpleUser(sender),
    jobs_url: `${api}/runs/${id}/jobs`,
    logs_url: `${api}/runs/${id}/logs`,
    check_suite_url: `https://api.github.com/repos/${name}/check-suites/${id + 1}`,
    artifacts_url: `${api}/runs/${id}/artifacts`,
    cancel_url: `${api}/runs/${id}/cancel`,
    rerun_url: `${api}/runs/${id}/rerun`,
    workflow_url: `${api}/workflows/${file.id}`,
    previous_attempt_url: null,
    referenced_workflows: [],
    head_commit: { id: head_sha, tree_id, message, timestamp, author, committer },
    repository: eventRepository(repository),
    head_repository: eventRepository(repository),
  };
  const workflow = {
    ...file,
    node_id: btoa(`08:Workflow${file.id}`),
    state: 'active',
    ...times,
    url: `${api}/workflows/${file.id}`,
    html_url: `https://github.com/${name}/blob/main/${file.path}`,
    badge_url: `https://github.com/${name}/workflows/CI/badge.svg`,
  };
  return { action, fields: { workflow_run, workflow } };
}
