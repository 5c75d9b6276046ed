from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vault', '0005_ledger_indexes'),
        ('vault', '0006_job_retries'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='checkpoint',
            index=models.Index(fields=['hero', 'branch', 'step', 'name', 'size_bytes'], name='checkpoint_by_branch'),
        ),
        migrations.AddIndex(
            model_name='checkpoint',
            index=models.Index(fields=['hero', 'size_bytes', 'step', 'name'], name='checkpoint_by_size'),
        ),
    ]
