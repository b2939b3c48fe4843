{{/* Parts of all pods: Pod Security "restricted", and /tmp as the only writable folder. */}}

{{- define "cybersec.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "cybersec.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "cybersec.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
- name: instance
  mountPath: /opt/dagster
  readOnly: true
{{- if .Values.postgresql.caSecret }}
- name: postgresql-ca
  mountPath: /etc/cybersec/postgresql
  readOnly: true
{{- end }}
{{- if .Values.s3.caSecret }}
- name: s3-ca
  mountPath: /etc/cybersec/s3
  readOnly: true
{{- end }}
{{- end }}

{{- define "cybersec.volumes" -}}
- name: instance
  configMap:
    name: {{ include "cybersec.fullname" . }}-instance
{{- with .Values.postgresql.caSecret }}
- name: postgresql-ca
  secret:
    secretName: {{ . }}
    items: [{key: {{ $.Values.postgresql.caKey | quote }}, path: ca.crt}]
{{- end }}
{{- with .Values.s3.caSecret }}
- name: s3-ca
  secret:
    secretName: {{ . }}
    items: [{key: {{ $.Values.s3.caKey | quote }}, path: ca.crt}]
{{- end }}
{{- end }}

{{/* The common part of pod specs; takes (list context service-account token?). */}}
{{- define "cybersec.pod" -}}
{{- $root := index . 0 -}}
serviceAccountName: {{ include "cybersec.fullname" $root }}-{{ index . 1 }}
automountServiceAccountToken: {{ index . 2 }}
enableServiceLinks: false
securityContext:
  {{- include "cybersec.podSecurity" $root | nindent 2 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {}
  {{- include "cybersec.volumes" $root | nindent 2 }}
{{- end }}

{{/* The common part of containers. */}}
{{- define "cybersec.container" -}}
image: {{ include "cybersec.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "cybersec.containerSecurity" . | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  {{- include "cybersec.volumeMounts" . | nindent 2 }}
{{- end }}

{{/* No pod starts before the setup of this release has finished. */}}
{{- define "cybersec.waitForSetup" -}}
- name: wait-for-setup
  {{- include "cybersec.container" . | nindent 2 }}
  args: [cybersec, stores, wait, --timeout, {{ int .Values.jobs.timeoutSeconds | quote }}]
  env:
    {{- include "cybersec.env.instance" . | nindent 4 }}
  resources:
    {{- toYaml .Values.jobs.resources | nindent 4 }}
{{- end }}

{{/* Pods restart when their configuration changes, and only then. */}}
{{- define "cybersec.checksum" -}}
checksum/instance: {{ include "cybersec.instance" . | sha256sum }}
{{- end }}
