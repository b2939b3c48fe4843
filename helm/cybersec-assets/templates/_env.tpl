{{/* The environment of each kind of pod. Passwords are references to Secrets, never values. */}}

{{/* A reference to a key of a Secret; takes (list variable secret key). */}}
{{- define "cybersec.env.secret" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 }}
      key: {{ index . 2 }}
{{- end }}

{{/* A role of PostgreSQL, user and password; takes (list context value-name variable-prefix generated-key). */}}
{{- define "cybersec.env.role" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $prefix := index . 2 -}}
{{- $role := index $root.Values.postgresql $name -}}
{{- if and $role.existingSecret $role.userKey }}
{{- include "cybersec.env.secret" (list (printf "%s_USER" $prefix) $role.existingSecret $role.userKey) }}
{{- else if $role.user }}
- name: {{ $prefix }}_USER
  value: {{ $role.user | quote }}
{{- else if $root.Values.demo.enabled }}
- name: {{ $prefix }}_USER
  value: cybersec_{{ $name }}
{{- else }}
{{- fail (printf "postgresql.%s.user is empty: set it to the role's name, or set postgresql.%s.userKey to the key with its name" $name $name) }}
{{- end }}
{{- if $role.existingSecret }}
{{ include "cybersec.env.secret" (list (printf "%s_PASSWORD" $prefix) $role.existingSecret $role.passwordKey) }}
{{- else if $root.Values.demo.enabled }}
{{ include "cybersec.env.secret" (list (printf "%s_PASSWORD" $prefix) (include "cybersec.generated" $root) (index . 3)) }}
{{- else }}
{{- fail (printf "postgresql.%s.existingSecret is empty: set it to the Secret with the role's password, or set demo.enabled=true for a trial" $name) }}
{{- end }}
{{- end }}

{{/* The S3 key pair under two names; takes (list context access-variable secret-variable). */}}
{{- define "cybersec.env.s3" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.s3.existingSecret }}
{{- include "cybersec.env.secret" (list (index . 1) $root.Values.s3.existingSecret $root.Values.s3.accessKeyKey) }}
{{ include "cybersec.env.secret" (list (index . 2) $root.Values.s3.existingSecret $root.Values.s3.secretKeyKey) }}
{{- else if $root.Values.demo.enabled }}
{{- include "cybersec.env.secret" (list (index . 1) (include "cybersec.generated" $root) "s3-access-key") }}
{{ include "cybersec.env.secret" (list (index . 2) (include "cybersec.generated" $root) "s3-secret-key") }}
{{- else }}
{{- fail "s3.existingSecret is empty: set it to the Secret with the S3 server's key pair, or set demo.enabled=true for a trial" }}
{{- end }}
{{- end }}

{{/* The address of PostgreSQL. */}}
{{- define "cybersec.env.postgresql" -}}
- name: PG_HOST
  value: {{ include "cybersec.postgresql.host" . | quote }}
- name: PG_PORT
  value: {{ include "cybersec.postgresql.port" . | quote }}
- name: PG_SSLMODE
  value: {{ .Values.postgresql.sslmode }}
{{- if .Values.postgresql.caSecret }}
- name: PG_SSLROOTCERT
  value: /etc/cybersec/postgresql/ca.crt
{{- end }}
{{- end }}

{{/* The variables of every pod that opens Dagster's instance: its database, and the key for its logs. */}}
{{- define "cybersec.env.instance" -}}
- name: DAGSTER_HOME
  value: /opt/dagster
{{ include "cybersec.env.postgresql" . }}
- name: DAGSTER_PG_DATABASE
  value: {{ .Values.postgresql.dagster.database | quote }}
{{ include "cybersec.env.role" (list . "dagster" "DAGSTER_PG" "dagster-password") }}
- name: PGPASSWORD
  value: $(DAGSTER_PG_PASSWORD)
- name: AWS_DEFAULT_REGION
  value: {{ .Values.s3.region | quote }}
{{ include "cybersec.env.s3" (list . "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY") }}
{{- end }}

{{/* The variables of the project's own code: stores, audit, flows. */}}
{{- define "cybersec.env.app" -}}
{{ include "cybersec.env.instance" . }}
- name: PG_DATABASE
  value: {{ .Values.postgresql.audit.database | quote }}
{{ include "cybersec.env.role" (list . "audit" "PG" "audit-password") }}
- name: MINIO_ENDPOINT
  value: {{ include "cybersec.s3.endpoint" . | quote }}
- name: MINIO_REGION
  value: {{ .Values.s3.region | quote }}
{{- if .Values.s3.caSecret }}
- name: MINIO_CA_FILE
  value: /etc/cybersec/s3/ca.crt
{{- end }}
{{ include "cybersec.env.s3" (list . "MINIO_ACCESS_KEY" "MINIO_SECRET_KEY") }}
{{- if .Values.audit.existingSecret }}
{{ include "cybersec.env.secret" (list "AUDIT_SIGNING_KEY" .Values.audit.existingSecret .Values.audit.signingKeyKey) }}
{{- else }}
{{ include "cybersec.env.secret" (list "AUDIT_SIGNING_KEY" (include "cybersec.generated" .) "signing-key") }}
{{- end }}
{{- with .Values.audit.trustedKeys }}
- name: AUDIT_TRUSTED_KEYS
  value: {{ . | quote }}
{{- end }}
- name: CYBERSEC_BUCKET_PREFIX
  value: {{ .Values.bucketPrefix | quote }}
- name: CYBERSEC_START_DATE
  value: {{ .Values.startDate | quote }}
- name: CYBERSEC_SCHEDULE_ENABLED
  value: {{ .Values.schedule.enabled | quote }}
- name: CYBERSEC_SCHEDULE_CRON
  value: {{ .Values.schedule.cron | quote }}
{{- if .Values.runs.podPerStep }}
- name: CYBERSEC_STEP_PODS_ACCOUNT
  value: {{ include "cybersec.fullname" . }}-step-pods
{{- end }}
- name: CYBERSEC_SYNTHETIC_FLOWS
  value: {{ int .Values.flows.synthetic | quote }}
- name: FEATURE_SET
  value: {{ .Values.featureSet }}
- name: FLOWS_FORMAT
  value: {{ .Values.flows.format }}
- name: FLOWS_TIMEZONE
  value: {{ .Values.flows.timezone | quote }}
{{- with .Values.flows.columns }}
- name: FLOWS_COLUMNS
  value: {{ . | quote }}
{{- end }}
{{- with .Values.flows.pseudonyms }}
{{- if .existingSecret }}
{{ include "cybersec.env.secret" (list "FLOWS_PSEUDONYM_KEY" .existingSecret .keyKey) }}
{{- end }}
{{- end }}
{{- if and .Values.flows.existingClaim (not .Values.flows.uri) }}
{{- fail "flows.uri is empty, but flows.existingClaim is set: set flows.uri to a path below flows.mountPath, with {date}" }}
{{- end }}
{{- with .Values.flows.uri }}
- name: FLOWS_URI
  value: {{ . | quote }}
{{- end }}
{{- with .Values.flows.s3 }}
{{- if .endpoint }}
- name: FLOWS_S3_ENDPOINT
  value: {{ .endpoint | quote }}
{{- if not .existingSecret }}
{{- fail "flows.s3.existingSecret is empty: set it to the Secret with the key pair for flows.s3.endpoint" }}
{{- end }}
{{ include "cybersec.env.secret" (list "FLOWS_S3_ACCESS_KEY" .existingSecret .accessKeyKey) }}
{{ include "cybersec.env.secret" (list "FLOWS_S3_SECRET_KEY" .existingSecret .secretKeyKey) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The variables of the setup, which also has the role that owns the schema. */}}
{{- define "cybersec.env.setup" -}}
{{ include "cybersec.env.app" . }}
{{- if or .Values.demo.enabled .Values.postgresql.migration.existingSecret }}
{{ include "cybersec.env.role" (list . "migration" "PG_MIGRATION" "migration-password") }}
{{- end }}
{{- end }}
