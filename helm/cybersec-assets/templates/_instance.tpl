{{/* dagster.yaml and workspace.yaml. They contain no secrets, only the names of variables. */}}

{{- define "cybersec.instance" -}}
dagster.yaml: |
  {{- include "cybersec.dagster.yaml" . | nindent 2 }}
workspace.yaml: |
  load_from:
    - grpc_server:
        host: {{ include "cybersec.fullname" . }}-code
        port: 3030
        location_name: cybersec_assets
{{- end }}

{{- define "cybersec.dagster.yaml" -}}
telemetry: {enabled: false}
nux: {enabled: false}
local_artifact_storage:
  module: dagster._core.storage.root
  class: LocalArtifactStorage
  config: {base_dir: /tmp/dagster}
storage:
  postgres:
    postgres_db:
      # SQLAlchemy maps plain `postgresql` to another driver, with which Dagster's storage fails.
      scheme: postgresql+psycopg2
      hostname: {env: PG_HOST}
      port: {env: PG_PORT}
      username: {env: DAGSTER_PG_USER}
      # The password is passed in libpq's PGPASSWORD, because Dagster would not quote all characters in a URL.
      db_name: {env: DAGSTER_PG_DATABASE}
      params:
        sslmode: {{ .Values.postgresql.sslmode }}
        {{- if .Values.postgresql.caSecret }}
        sslrootcert: /etc/cybersec/postgresql/ca.crt
        {{- end }}
compute_logs:
  module: dagster_aws.s3.compute_log_manager
  class: S3ComputeLogManager
  config:
    bucket: {{ .Values.bucketPrefix }}-logs
    endpoint_url: {{ include "cybersec.s3.endpoint" . | quote }}
    region: {{ .Values.s3.region | quote }}
    local_dir: /tmp/dagster/logs
    prefix: dagster
    skip_empty_files: true
    # Upload regularly, so that the output of a killed run is kept.
    upload_interval: 10
    {{- if .Values.s3.caSecret }}
    verify_cert_path: /etc/cybersec/s3/ca.crt
    {{- end }}
run_coordinator:
  module: dagster._core.run_coordinator.queued_run_coordinator
  class: QueuedRunCoordinator
concurrency:
  runs:
    max_concurrent_runs: {{ int .Values.runs.maxConcurrent }}
    tag_concurrency_limits:
      {{- $ofDays := list }}
      {{- range .Values.runs.tagConcurrencyLimits }}
      - {{- toYaml . | nindent 8 }}
      {{- if eq .key "dagster/partition" }}
      {{- $ofDays = append $ofDays . }}
      {{- end }}
      {{- end }}
      {{- if not $ofDays }}
      # Two runs of a day would do the same work twice. A limit in the values for this tag replaces this one.
      - {key: dagster/partition, limit: 1, value: {applyLimitPerUniqueValue: true}}
      {{- end }}
run_monitoring:
  enabled: true
  poll_interval_seconds: {{ int .Values.runs.monitoringSeconds }}
  start_timeout_seconds: {{ int .Values.runs.startTimeoutSeconds }}
  cancel_timeout_seconds: 180
  max_runtime_seconds: {{ int .Values.runs.maxRuntimeSeconds }}
  # A run is a unit with one scratch folder: it is restarted as a whole and never resumed by another pod.
  max_resume_run_attempts: 0
run_retries:
  enabled: true
  max_retries: {{ int .Values.runs.maxRetries }}
  retry_on_asset_or_op_failure: false
retention:
  schedule:
    purge_after_days: {{ int .Values.tickRetentionDays }}
run_launcher:
  module: dagster_k8s
  class: K8sRunLauncher
  config:
    job_namespace: {{ .Release.Namespace }}
    service_account_name: {{ include "cybersec.fullname" . }}-run
    job_image: {{ include "cybersec.image" . }}
    image_pull_policy: {{ .Values.image.pullPolicy }}
    {{- with .Values.image.pullSecrets }}
    image_pull_secrets:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    instance_config_map: {{ include "cybersec.fullname" . }}-instance
    dagster_home: /opt/dagster
    labels:
      {{- include "cybersec.selector" . | nindent 6 }}
      app.kubernetes.io/component: run
    resources:
      {{- toYaml .Values.runs.resources | nindent 6 }}
    security_context:
      {{- include "cybersec.containerSecurity" . | nindent 6 }}
    # A launch may choose nodes and resources of the pod, and nothing else.
    only_allow_user_defined_k8s_config_fields:
      container_config: {resources: true}
      pod_spec_config:
        node_selector: true
        tolerations: true
        {{- if .Values.runs.podPerStep }}
        # The job daily_training_pods requests these with its tags.
        service_account_name: true
        automount_service_account_token: true
        {{- end }}
      pod_template_spec_metadata: {}
      job_metadata: {}
      job_spec_config: {}
      namespace: false
    only_allow_user_defined_env_vars: []
    run_k8s_config:
      container_config:
        command: {{ include "cybersec.jsonLogs" . }}
        terminationMessagePolicy: FallbackToLogsOnError
        env:
          {{- include "cybersec.env.run" . | nindent 10 }}
        volumeMounts:
          {{- include "cybersec.volumeMounts" . | nindent 10 }}
          {{- if .Values.flows.existingClaim }}
          - name: flows
            mountPath: {{ .Values.flows.mountPath }}
            readOnly: true
          {{- end }}
      pod_spec_config:
        automountServiceAccountToken: false
        enableServiceLinks: false
        securityContext:
          {{- include "cybersec.podSecurity" . | nindent 10 }}
        {{- with .Values.nodeSelector }}
        nodeSelector:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        {{- with .Values.tolerations }}
        tolerations:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        volumes:
          - name: tmp
            emptyDir:
              sizeLimit: {{ .Values.runs.scratchSize }}
          {{- include "cybersec.volumes" . | nindent 10 }}
          {{- with .Values.flows.existingClaim }}
          - name: flows
            persistentVolumeClaim:
              claimName: {{ . }}
              readOnly: true
          {{- end }}
      job_spec_config:
        backoffLimit: 0
        activeDeadlineSeconds: {{ int .Values.runs.activeDeadlineSeconds }}
        ttlSecondsAfterFinished: {{ int .Values.runs.ttlSecondsAfterFinished }}
{{- end }}

{{/* The launcher sets DAGSTER_HOME itself, and Kubernetes rejects duplicate variables. */}}
{{- define "cybersec.env.run" -}}
{{- $env := include "cybersec.env.app" . | fromYamlArray -}}
{{- toYaml (rest $env) }}
{{- end }}
